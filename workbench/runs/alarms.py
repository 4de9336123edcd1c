"""Alarms of a training: rules on its measurements that detect known faults.

Source of the thresholds: features are float32, with rounding errors ε = 1.2e-7. A subspace of
eigenvectors turns by ε/gap, and a gradient through X⁺ has errors of about κε, κ the condition
number of X. Above `TOLERATED_ERROR` more than three of the seven digits are lost. Sums are taken in
float64, whose own limits (`linalg.outcomes`) lie far beyond.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench.linalg.outcomes import ILL_CONDITIONED
from workbench.runs.geometry import ANGLE, DIMENSION, OFF, geometry_layers
from workbench.runs.measurements import Metrics

EPSILON = float(np.finfo(np.float32).eps)
TOLERATED_ERROR = 1e-3
"""Relative error of an embedding or a gradient above which an alarm is raised."""
NARROW_GAP = EPSILON / TOLERATED_ERROR
"""Eigengap, of a spectrum whose largest eigenvalue is 1, that counts as none."""
LARGE_CONDITION = (TOLERATED_ERROR / EPSILON) ** 2
"""Largest tolerated κ², which objectives report as their condition."""
COLLAPSED = 2.0
"""Effective rank below which one direction carries the affinity: there is nothing left to cut."""
LAYER_RANK = " effective rank"
"""End of the name under which `probe.TrainingRecord` records the effective rank of a layer."""
COINCIDING = 0.01
"""Median angle of a layer's samples, radians, below which they all point in one direction."""
EXPLOSION = 100.0
"""Ratio of the gradient's norm to its usual value that counts as an explosion."""
PATIENCE, GAIN = 5, 0.002
"""Number of evaluations on held-out scenes, and the least rise of covering expected in them."""
LATE = 0.1
"""Fraction of the highest learning rate below which a training is about to end."""
RECENT_STEPS = 20
"""Number of steps in the median of a measurement of single steps: images differ."""
BASELINE_STEPS = 200
"""Number of steps before these whose median is the usual value."""

@dataclass(frozen=True)
class Alarm:
    """Detected fault.

    Attributes:
        step: step of the last measurement.
        what: the fault, with its figure.
        why: reason why it matters.
        remedy: what to do.
    """

    step: int
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.what}. {self.why}; {self.remedy}."


def alarms(metrics: Metrics) -> list[Alarm]:
    """Alarms that hold now, the worst first.

    Args:
        metrics: `Run.metrics()` or `Run.series()` of a training; rules whose measurements
            are missing raise no alarm.
    """
    return [alarm for rule in _RULES for alarm in rule(metrics)]


def _measured(metrics: Metrics, name: str) -> pd.Series:
    """Values of a measurement, without the steps at which it was not taken."""
    return metrics[name].dropna() if name in metrics else pd.Series(dtype=float)


def _no_number(metrics: Metrics) -> Iterator[Alarm]:
    if not {"loss", "gradient_norm"} <= set(metrics):
        return
    steps = metrics["loss"].dropna().index  # NaN elsewhere: not measured
    norms = metrics["gradient_norm"].reindex(steps)
    wrong = norms[~np.isfinite(norms)]
    if len(wrong):
        yield Alarm(
            int(wrong.index[-1]),
            f"the gradient is no finite number in {len(wrong)} steps",
            "A step along it destroys the network",
            "stop, lower the learning rate and resume from a checkpoint before it",
        )


def _exploding(metrics: Metrics) -> Iterator[Alarm]:
    norms = _measured(metrics, "gradient_norm")
    norms = norms[np.isfinite(norms)]
    before = norms.iloc[-BASELINE_STEPS - RECENT_STEPS : -RECENT_STEPS]
    if len(before) < RECENT_STEPS:
        return
    now, usual = float(norms.iloc[-RECENT_STEPS:].median()), float(before.median())
    if usual > 0 and now > EXPLOSION * usual:
        yield Alarm(
            int(norms.index[-1]),
            f"the gradient's norm is {now:.2g}, {now / usual:.0f} times what it was",
            "Clipping keeps its direction only, and the new layers may be running away",
            "lower the learning rate's factor, or stop and raise the ridge",
        )


def _collapse(metrics: Metrics) -> Iterator[Alarm]:
    layers = [str(name) for name in metrics if str(name).endswith(LAYER_RANK)]
    for name, of in (
        ("effective_rank_held_out", "held-out affinities"),
        ("effective_rank", "the pooled features"),
        *((layer, layer.removesuffix(LAYER_RANK)) for layer in layers),
    ):
        ranks = _measured(metrics, name)
        if len(ranks) and (now := float(ranks.iloc[-RECENT_STEPS:].median())) < COLLAPSED:
            yield Alarm(
                int(ranks.index[-1]),
                f"the effective rank of {of} is {now:.2f}",
                "A falling rank is what training does, but one direction alone tells no two "
                "segments apart",
                "lower the learning rate's factor, or resume from an earlier checkpoint",
            )


def _geometry(metrics: Metrics) -> Iterator[Alarm]:
    """Alarm of the first layer whose geometry has collapsed; those after it are named with it."""
    found = []
    for layer in geometry_layers(metrics):
        looks = _measured(metrics, f"{layer} {OFF}")
        if not len(looks):
            continue
        step = int(looks.index[-1])
        dimension, angle = (
            float(metrics[f"{layer} {name}"].get(step, np.nan)) for name in (DIMENSION, ANGLE)
        )
        faults = _collapsed(f"layer {layer}", float(looks.iloc[-1]), dimension, angle)
        found += [(layer, Alarm(step, *fault)) for fault in faults]
    if found:
        (_, first), *others = found
        names = ", ".join(layer for layer, _ in others)
        yield replace(first, what=f"{first.what} (collapsed too: {names})") if others else first


def _collapsed(
    layer: str, off: float, dimension: float, angle: float
) -> Iterator[tuple[str, str, str]]:
    """Fault of a layer's geometry, why it matters and what to do; at most one.

    Args:
        layer: name of the layer, in words.
        off: fraction of the samples whose features are 0 or not finite.
        dimension: stable dimension; NaN where features are not finite.
        angle: median angle, radians.
    """
    if np.isnan(dimension):
        yield (
            f"{layer} has features that are NaN or infinite, for {off:.0%} of the samples",
            "Nothing that comes after it is a number, and neither is its gradient",
            "stop, lower the learning rate and resume from a checkpoint before it",
        )
    elif off == 1:
        yield (
            f"{layer} is dead: its features are 0 for every sample, so its stable dimension is 0",
            "A layer that is off passes neither features on nor gradients back",
            "resume from an earlier checkpoint with a lower learning rate, or initialise it anew",
        )
    elif dimension == 0:
        yield (
            f"all samples have the same features at {layer}: its stable dimension is 0",
            "Nothing after it can tell two samples apart",
            "lower the learning rate's factor, or resume from an earlier checkpoint",
        )
    elif angle < COINCIDING:
        yield (
            f"the median angle between samples at {layer} is {angle:.2g} rad",
            "All samples point in nearly the same direction: what tells them apart is lost in "
            "what they have in common",
            "normalise or centre its features, or lower the learning rate's factor",
        )


def _gap(metrics: Metrics) -> Iterator[Alarm]:
    gaps = _measured(metrics, "narrowest_eigengap_held_out")
    if len(gaps) and (now := float(gaps.iloc[-1])) < NARROW_GAP:
        yield Alarm(
            int(gaps.index[-1]),
            f"the eigengap at the cut of a held-out scene is {now:.1e}",
            f"Rounding errors of float32 features turn its eigenvectors by "
            f"{min(EPSILON / max(now, EPSILON), 1):.0%} and more",
            "cut into one segment more or fewer there, or raise the ridge",
        )


def _condition(metrics: Metrics) -> Iterator[Alarm]:
    # The condition does not matter for the region classifiers' logarithm: its adjoint is exact.
    if not {"j1", "j2"} & set(metrics):
        return
    squares = _measured(metrics, "condition")
    if (
        not len(squares)
        or not (now := float(squares.iloc[-RECENT_STEPS:].median())) > LARGE_CONDITION
    ):
        return
    kappa = math.sqrt(now)
    lost = "its rank is decided by rounding" if now > ILL_CONDITIONED else "it grows like κ"
    yield Alarm(
        int(squares.index[-1]),
        f"the features' condition number κ is {kappa:.1e}",
        f"The gradient of J through X⁺ has relative errors of about {min(kappa * EPSILON, 1):.1g}, "
        f"and {lost}",
        "raise the ridge (1e-3 or more), or lower the learning rate's factor",
    )


def _no_gain(metrics: Metrics) -> Iterator[Alarm]:
    looks, rates = _measured(metrics, "covering_average"), _measured(metrics, "learning_rate")
    # No rise is expected any more towards the end of the schedule.
    if len(looks) <= PATIENCE + 1 or not len(rates) or rates.iloc[-1] < LATE * rates.max():
        return
    before, lately = float(looks.iloc[:-PATIENCE].max()), float(looks.iloc[-PATIENCE:].max())
    if lately < before + GAIN:
        yield Alarm(
            int(looks.index[-1]),
            f"held-out covering has not risen in {PATIENCE} looks (.{before * 1000:03.0f}, "
            f"now .{float(looks.iloc[-1]) * 1000:03.0f})",
            "What is still learned does not carry over to images that were not seen",
            "stop here, or try another learning rate",
        )


_RULES: tuple[Callable[[Metrics], Iterator[Alarm]], ...] = (
    _no_number,
    _exploding,
    _collapse,
    _geometry,
    _gap,
    _condition,
    _no_gain,
)
