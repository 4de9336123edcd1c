"""`sift-o2p`, the paper's column without a network: 36.4 % on full COCO (Table 1).

Dense SIFT, second-order pooling with the logarithm, power normalisation, a linear classifier.
The vectors of the regions are written to files as they are computed: an interrupted run continues
after the last of them, and another classifier on the same regions needs only its own training.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from workbench.data import Regions
from workbench.data.region_vectors import VectorFiles, region_vectors
from workbench.errors import WorkbenchError
from workbench.evaluation.regions.scores import RegionScores
from workbench.models.linear import LinearFit, fit_linear, signed_power
from workbench.models.sift import Box, SiftConfig, region_vector

PAPER_ERROR = 36.4
"""Error that the paper reports, percent, with 600,000 training regions."""
_REVISION = 1
"""Number to raise when `models.sift` computes something else from the same configuration."""


@dataclass(frozen=True)
class SiftO2PConfig:
    """Settings of the whole method.

    Attributes:
        features: settings of a region's features.
        power: exponent of the power normalisation; 1: none.
    """

    features: SiftConfig = field(default_factory=SiftConfig)
    power: float = 0.75


@dataclass(frozen=True)
class SiftO2PFit:
    """Scores and classifier of a fit.

    Attributes:
        scores: logits of the test regions.
        fit: the classifier's C, and the cross-validated errors by which C was chosen.
    """

    scores: RegionScores
    fit: LinearFit


def fit_sift_o2p(
    train: Regions,
    test: Regions,
    config: SiftO2PConfig = SiftO2PConfig(),
    *,
    cache: Path | None = None,
    workers: int = 2,
    progress: bool = True,
) -> SiftO2PFit:
    """Train on some regions and classify others; deterministic.

    Args:
        train: training regions, with masks if the features are masked.
        test: test regions, with masks if the features are masked; no image is also in `train`.
        config: settings of the method.
        cache: folder for the vectors of the regions; None: they are computed each time.
        workers: number of processes; 1 computes in this one.
        progress: show a bar on stderr.

    Raises:
        WorkbenchError: masks are missing, or there are too few regions.
        StoreError: a region is missing or damaged.
    """
    vectors = [
        signed_power(sift_vectors(part, config.features, cache, workers, progress), config.power)
        for part in (train, test)
    ]
    fit = fit_linear(
        vectors[0],
        train.categories,
        train.table["image_id"].values,
        vectors[1],
        len(train.names),
    )
    scores = RegionScores(
        fit.scores.astype(np.float32),
        test.categories.astype(np.int64),
        test.table["image_id"].values.astype(np.int64),
        test.table["annotation_id"].values.astype(np.int64),
    )
    return SiftO2PFit(scores, fit)


def sift_vectors(
    regions: Regions,
    config: SiftConfig,
    cache: Path | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Float32[np.ndarray, "regions entries"]:
    """Pooled vectors of regions, in their order; arguments as in `fit_sift_o2p`."""
    if config.masked and "mask" not in regions.items:
        raise WorkbenchError(
            "regions with masks", "images alone", "open them with fields=('image', 'mask')"
        )
    files = None
    if cache is not None:
        key = f"{regions.table.attrs['fingerprint']} {config} {_REVISION}"
        files = VectorFiles(cache, key, config.entries)
    return region_vectors(
        regions,
        partial(_vectors_of, config=config),
        config.entries,
        files=files,
        workers=workers,
        progress=progress,
        title="dense SIFT",
    )


def _vectors_of(regions: Regions, config: SiftConfig) -> Float32[np.ndarray, "regions entries"]:
    """Stack of the `region_vector` of each region, read from the store."""
    table = regions.table
    sides = zip(*(table[name].values.tolist() for name in Box._fields), strict=True)
    return np.stack(
        [
            region_vector(region.pixels, region.mask, Box(*box), config)
            for region, box in zip(regions, sides, strict=True)
        ]
    )
