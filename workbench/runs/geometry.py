"""Names of the geometry of layers among the measurements of a run, see `probe.geometry.live`.

A measurement is named by its layer and its figure: "features.4 stable dimension".
"""

from collections.abc import Iterable

WIDTH = "squared width"
"""ω², squared Gaussian mean width of the samples' features, in squared units of the features."""
CEILING = "width over ceiling"
"""ω over the largest width that so many samples can have; near 1 it has measured their number."""
DIMENSION = "stable dimension"
"""ω² over the squared diameter; 0 where all samples coincide, else at least 2/π, that of a line."""
RANK = "effective rank of samples"
"""Effective rank of the samples' features about their mean."""
ANGLE = "median angle"
"""Median angle of all pairs of samples, radians; NaN where fewer than two samples have features."""
RATIO = "median angle ratio"
"""Median, over pairs, of the angle at the layer over the angle at the input."""
OFF = "samples off"
"""Fraction of the samples whose features are all 0, or not finite; always a number."""
FIGURES = (WIDTH, CEILING, DIMENSION, RANK, ANGLE, RATIO, OFF)
SECONDS = "geometry seconds"
"""Time that a measurement of all layers took."""
SAMPLES = "geometry samples"
"""Number of samples."""


def geometry_layers(names: Iterable[str]) -> list[str]:
    """Layers whose geometry is among measurements, in the order of these.

    Args:
        names: names of measurements.
    """
    end = f" {DIMENSION}"
    return [str(name).removesuffix(end) for name in names if str(name).endswith(end)]
