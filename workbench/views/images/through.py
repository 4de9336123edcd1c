"""Charts of distance ratios through a training: errors, medians and AUC after every pass.

Blue is of the class (intra), orange of other classes (inter); random triplets are dotted, boundary
triplets solid, the control dashed.
"""

from collections.abc import Mapping

import holoviews as hv
import pandas as pd

from workbench.evaluation.triplets import KINDS
from workbench.models.small_cnn import TAPS
from workbench.views.style import AFTER, BEFORE, COLOURS, OTHER, as_chart, line

SIDES = {"intra": AFTER, "inter": OTHER}
"""Colours of the two sides of triplets."""
DASHES = {"random": "dotted", "boundary": "solid", "control": "dashed"}
_ERROR = "error"
_AXIS = "error on test images, %"


def through_charts(through: Mapping[int, pd.DataFrame]) -> list[hv.Overlay]:
    """Charts of the errors by pass, then, against the test error, of medians by layer and of AUC.

    Args:
        through: measurements after every pass by the seed of the training, see
            `experiments.images.training`; each seed has a line of its own.
    """
    return [_errors(through), *(_medians(through, tap) for tap in TAPS), _auc(through)]


def _errors(through: Mapping[int, pd.DataFrame]) -> hv.Overlay:
    lines = []
    for seed, found in through.items():
        for name, colour in (("held_out_error", BEFORE), ("test_error", AFTER)):
            label = name.replace("_", "-").replace("-error", "") if seed == min(through) else ""
            values = 100 * found[name].iloc[1:]
            lines.append(line(values.index, values, "step", colour, label))
    return as_chart(
        hv.Overlay(lines).relabel("Error after every pass"), ylabel="top-1 error, %",
        legend_position="top_right",
    )  # fmt: skip


def _medians(through: Mapping[int, pd.DataFrame], tap: str) -> hv.Overlay:
    lines = []
    for seed, found in through.items():
        for kind in KINDS:
            for side, colour in SIDES.items():
                label = f"{kind} {side}" if seed == min(through) else ""
                values = found[f"{tap} {kind} {side}"]
                error = 100 * found["test_error"]
                lines.append(line(error, values, _ERROR, colour, label, DASHES[kind]))
    return as_chart(
        hv.Overlay(lines).relabel(f"{tap}: median ratios"), xlabel=_AXIS, invert_xaxis=True,
        ylabel="in units of random triplets", show_legend=tap == TAPS[0],
        legend_position="right",
    )  # fmt: skip


def _auc(through: Mapping[int, pd.DataFrame]) -> hv.Overlay:
    lines = []
    for seed, found in through.items():
        for tap, colour in zip(TAPS, COLOURS, strict=False):
            label = tap if seed == min(through) else ""
            error = 100 * found["test_error"]
            lines.append(line(error, found[f"{tap} random AUC"], _ERROR, colour, label))
    return as_chart(
        hv.Overlay(lines).relabel("Random triplets: P(inter ratio > intra ratio)"), xlabel=_AXIS,
        invert_xaxis=True, ylabel="AUC; .5: alike", legend_position="top_left",
    )  # fmt: skip
