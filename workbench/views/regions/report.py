"""The page of a run of a region classifier: errors, categories, confusions, calibration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from pipelines.errors import UserError
from workbench.data import Regions
from workbench.evaluation.regions.calibration import reliability
from workbench.evaluation.regions.outcomes import Outcomes, strongest_confusions
from workbench.evaluation.regions.summary import RecognitionSummary, summarise
from workbench.evaluation.rendering import as_html
from workbench.runs import Run
from workbench.runs.finding import resolved_path
from workbench.runs.plain import from_plain
from workbench.views import wording
from workbench.views.figures import Figure, charts, pictures
from workbench.views.regions.pictures import error_curves, wrong_regions
from workbench.views.regions.recognition import (
    category_errors,
    confusion_matrix,
    reliability_diagram,
)
from workbench.views.report import Content, evaluated_parts
from workbench.views.training.curves import raw_and_smooth

_PARTS = {"train": "training regions", "held": "held-out regions", "test": "test regions"}
_POOLED = {
    "log": ("DeepO2P", "the matrix logarithm of their second-order matrix, log(XᵀX/m + εI)"),
    "power": ("Second-order pooling", "a power of their second-order matrix, (XᵀX/m + εI)^{power}"),
    "average": ("Average pooling", "their mean"),
    "none": ("Maximum pooling", "their maxima over a coarse grid"),
}
"""By the pooling: what a network is called, and what the features are pooled to."""
_SPECTRUM = {
    "effective_rank": ("Effective rank of pooled features", "effective rank"),
    "condition": ("Condition of XᵀX/m + εI", "κ"),
}


@dataclass(frozen=True)
class Evaluation:
    """An evaluated part of the regions.

    Attributes:
        words: for the part.
        found: errors with their intervals.
        guess: error of who always says the most frequent category.
        calibration: share that is right against the stated probability.
        categories: error of each.
        confusion: what is taken for what.
        confusions: the strongest of them, a table.
        wrong: the regions of the surest mistakes; empty where the store is not there.
    """

    words: str
    found: RecognitionSummary
    guess: float
    calibration: Figure
    categories: Figure
    confusion: Figure
    confusions: Markup
    wrong: list[Figure]


def content(run: Run) -> Content:
    """What the page of a run of regions says beside what all pages do."""
    metrics = run.metrics()
    drawn = [] if metrics.empty else list(error_curves(metrics))
    drawn += [
        raw_and_smooth(metrics[name], *words)
        for name, words in _SPECTRUM.items()
        if name in metrics
    ]
    return Content(
        headline=f"{_name(run.config['architecture'])} on {wording.backbone(run.config)}",
        summary=_what_it_is(run.config),
        curves=charts(drawn),
        template="report_regions.html",
        values={
            "evaluations": [_evaluation(run, part) for part in evaluated_parts(run, "-outcomes")]
        },
    )


def _name(shape: Mapping[str, Any]) -> str:
    """What a network of that architecture is called."""
    layers = "-FC" if shape["fully_connected"] and shape["pooling"] == "log" else ""
    return _POOLED[shape["pooling"]][0] + layers


def _what_it_is(config: Mapping[str, Any]) -> str:
    """One or two sentences: network, regions, length of the training.

    Args:
        config: a `RegionConfig` as the run keeps it.
    """
    shape = config["architecture"]
    start = "pretrained" if config["weights"] else "from random weights"
    kept = ", which keeps its weights" if config["frozen"] else ""
    where = "inside the region’s free-form mask" if shape["masked"] else "in the region’s frame"
    pooled = _POOLED[shape["pooling"]][1].format(power=f"{shape['power']:g}")
    sizes = " and ".join(map(str, shape["fully_connected"]))
    layers = f"through layers of {sizes} units" if sizes else "linearly"
    return (
        f"{wording.sentence(wording.backbone(config))} {start}{kept}, up to {shape['tap']}; its "
        f"features {where} are pooled to {pooled}, and classified {layers} into "
        f"{shape['classes']} categories. Trained {wording.training(config, 'region')}."
    )


def _evaluation(run: Run, part: str) -> Evaluation:
    values = json.loads((run.path / "evaluations" / f"{part}-outcomes.json").read_text())
    outcomes = from_plain(Outcomes, values, f"evaluate {run.path} again")
    found, confusion = summarise([outcomes]), outcomes.confusion()
    strongest = strongest_confusions(confusion, outcomes.names)
    rows = [
        [pair.truth, pair.predicted, f"{pair.regions}", f"{100 * pair.share:.1f}"]
        for pair in strongest.itertuples()
    ]
    calibration, categories, matrix = charts(
        [
            reliability_diagram(reliability([outcomes])),
            category_errors(found),
            confusion_matrix(confusion, outcomes.names, title="Confusions"),
        ]
    )
    return Evaluation(
        _PARTS.get(part, part),
        found,
        1 - float(np.bincount(outcomes.labels).max()) / len(outcomes),
        calibration,
        categories,
        matrix,
        confusions=Markup(as_html([["truth", "taken for", "regions", "% of the truth’s"], *rows])),
        wrong=_wrong(run, outcomes),
    )


def _wrong(run: Run, outcomes: Outcomes) -> list[Figure]:
    """The surest mistakes, from the store that the run trained on; none where that has gone."""
    store = resolved_path(run, run.config["store"])
    if not outcomes.rank.any() or not (Path(store) / "zarr.json").is_file():
        return []
    try:
        return pictures(wrong_regions(Regions.open(str(store), fields=("image",)), outcomes))
    except (UserError, KeyError):  # another store stands there now
        return []
