"""Regions with their predicted categories, and a classifier's error during training."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
import pandas as pd

from workbench.data import Regions
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.views.panels import photo, row
from workbench.views.style import AFTER, as_chart, styled
from workbench.views.training.curves import raw_and_smooth


def wrong_regions(regions: Regions, outcomes: Outcomes, count: int = 8) -> hv.Layout:
    """Wrongly classified regions with the highest confidence, with true and predicted category.

    Args:
        regions: classified regions, in any order.
        outcomes: outcomes of all of them.
        count: largest number of pictures.
    """
    wrong = np.flatnonzero(outcomes.rank > 0)
    worst = wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")][:count]
    place = {int(i): p for p, i in enumerate(regions.table["annotation_id"].values)}
    return labelled_regions(
        regions,
        [place[int(outcomes.regions[i])] for i in worst],
        [
            f"{outcomes.names[outcomes.labels[i]]} → {outcomes.names[outcomes.predicted[i]]}, "
            f"{100 * outcomes.confidence[i]:.0f} %"
            for i in worst
        ],
    )


def labelled_regions(
    regions: Regions, positions: Sequence[int], titles: Sequence[str], columns: int = 4
) -> hv.Layout:
    """Layout of regions in their frames, each with a title.

    Args:
        regions: regions to choose from.
        positions: positions of the shown regions.
        titles: one title for each position.
        columns: pictures in a row.
    """
    pictures = [photo(regions[p].pixels, t) for p, t in zip(positions, titles, strict=True)]
    return row(pictures, columns)


def error_curves(metrics: pd.DataFrame) -> hv.Layout:
    """Charts of the loss of every step, and of the error on training batches and held-out regions.

    Args:
        metrics: `Run.metrics()` of a region classifier.
    """
    panels = []
    if "loss" in metrics:
        panels.append(raw_and_smooth(metrics["loss"], "Loss", "nats"))
    held = _held(metrics)
    if "error" in metrics:
        steps = raw_and_smooth(100 * metrics["error"], "", "error, %")
        panels.append((steps * held).relabel("Error: batches, and held-out regions (dots)"))
    else:
        panels.append(as_chart(hv.Overlay([held]).relabel("Error on held-out regions")))
    return row(panels, 2)


def _held(metrics: pd.DataFrame) -> hv.Scatter:
    empty = pd.Series(dtype=float)
    values = 100 * metrics.get("held_out_error", empty).dropna()
    return styled(
        hv.Scatter((values.index, values), "step", "error, %"),
        common={"color": AFTER},
        bokeh={"size": 8},
        matplotlib={"s": 30},
    )
