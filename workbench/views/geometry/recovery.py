"""Charts of recovery: the phase transition of exact inversion, errors of linear back-projection."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np

from workbench.geometry.sparse_recovery import Transition
from workbench.views.style import AFTER, BEFORE, OTHER, as_chart, dots, line


def transition_chart(rows: Sequence[Transition], title: str) -> hv.Overlay:
    """Part of draws recovered exactly against the number of units, with its prediction."""
    units = [each.units for each in rows]
    recovered = [each.recovered for each in rows]
    return as_chart(
        hv.Overlay(
            [
                line(units, [each.predicted for each in rows], "units", OTHER, "predicted"),
                dots((units, recovered), ("units", "value"), AFTER, AFTER, (7, 26), "measured"),
            ],
            label=title,
        ),
        xlabel="ReLU units m", ylabel="part recovered exactly", ylim=(-0.03, 1.03),
        legend_position="bottom_right",
    )  # fmt: skip


def depth_chart(errors: np.ndarray) -> hv.Overlay:
    """Error of linear back-projection through 1, 2, … layers: draws and their mean.

    Args:
        errors: (draws, layers), see `recovery.depth_errors`.
    """
    layers = np.arange(1, errors.shape[1] + 1)
    draws = [line(layers, each, "layers", BEFORE) for each in errors]
    mean = line(layers, errors.mean(0), "layers", AFTER, "mean")
    return as_chart(
        hv.Overlay([*draws, mean], label="back-projection through layers"),
        xlabel="layers", ylabel="error ‖û − u‖", ylim=(0, None), legend_position="top_left",
    )  # fmt: skip


def rate_chart(
    units: Sequence[int], errors: Sequence[float], predicted: Sequence[float]
) -> hv.Overlay:
    """Error of linear back-projection against the number of units, with its prediction."""
    return as_chart(
        hv.Overlay(
            [
                line(units, predicted, "units", OTHER, "predicted"),
                dots((units, errors), ("units", "value"), AFTER, AFTER, (7, 26), "measured (rms)"),
            ],
            label="linear back-projection",
        ),
        logx=True, logy=True, xlabel="ReLU units m", ylabel="error ‖û − u‖",
        legend_position="top_right",
    )  # fmt: skip
