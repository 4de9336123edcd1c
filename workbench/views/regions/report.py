"""Page of a run of a region classifier: errors, categories, confusions, calibration."""

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
"""Name of a network, and result of its pooling in words, by the pooling."""
_SPECTRUM = {
    "effective_rank": ("Effective rank of pooled features", "effective rank"),
    "condition": ("Condition of XᵀX/m + εI", "κ"),
}


@dataclass(frozen=True)
class Evaluation:
    """Evaluated part of the regions.

    Attributes:
        words: name of the part in words.
        found: errors with their intervals.
        guess: error of a constant prediction, the most frequent category.
        calibration: share of correct predictions against the stated probability.
        categories: error of each category.
        confusion: confusion matrix.
        confusions: table of the most frequent confusions.
        wrong: wrong regions with the highest confidence; empty without the store.
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
    """Content of the page of a run of regions."""
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
    """Name of a network with the given architecture."""
    layers = "-FC" if shape["fully_connected"] and shape["pooling"] == "log" else ""
    return _POOLED[shape["pooling"]][0] + layers


def _what_it_is(config: Mapping[str, Any]) -> str:
    """Summary in one or two sentences: network, regions, length of the training.

    Args:
        config: `RegionConfig` in the run's form.
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
    """Wrong regions with the highest confidence, from the run's store; empty without the store."""
    store = resolved_path(run, run.config["store"])
    if not outcomes.rank.any() or not (Path(store) / "zarr.json").is_file():
        return []
    try:
        return pictures(wrong_regions(Regions.open(str(store), fields=("image",)), outcomes))
    except (UserError, KeyError):  # the path has another store now
        return []
