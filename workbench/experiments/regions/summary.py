"""Rows, tests and orderings of Table 1 from the results of its columns, as plain values.

Figures of a column are means over its seeds; intervals and tests resample images with all of their
regions. A test therefore concerns these trainings on other images; the spread between seeds is
stated separately.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.calibration import Reliability, reliability
from workbench.evaluation.regions.outcomes import Outcomes, strongest_confusions
from workbench.evaluation.regions.summary import (
    RecognitionSummary,
    compare,
    mean_confusion,
    summarise,
)
from workbench.evaluation.statistics import Difference, holm
from workbench.experiments.regions.columns import RegionColumn
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.tables.assemble import mean
from workbench.experiments.tables.table import FROZEN, Finished

LEVEL = 0.05
"""Significance level of an ordering, over all pairs together."""
CONFUSIONS = 10
"""Number of the pictured column's confusions that are listed."""


Row = Finished[RegionColumn, RegionResult]
"""Column with the results of its seeds."""


@dataclass(frozen=True)
class Picture:
    """Values for the pictures of one column.

    Attributes:
        key, title: name and title of the column.
        names: names of the categories.
        confusion: number of regions by true (row) and predicted (column) category, mean over seeds.
        reliability: reliability of the probabilities.
        summary: errors, by category too.
    """

    key: str
    title: str
    names: tuple[str, ...]
    confusion: np.ndarray
    reliability: Reliability
    summary: RecognitionSummary


def summarise_columns(found: Sequence[Row], question: Mapping[str, Any]) -> dict[str, Any]:
    """Values of Table 1 from its finished columns.

    Keys: protocol, limit, said (differences of another store), regions, images, rows, tests,
    orderings.
    """
    rows = [_row_values(row) for row in found]
    return {
        "protocol": question["protocol"],
        "limit": question["limit"],
        "said": question.get("said", []),
        "regions": question["regions"],
        "images": rows[0]["summary"]["images"],
        "rows": rows,
        "tests": _tests(found),
        "orderings": [*_orderings(found, False), *_orderings(found, True)],
    }


def picture_of(found: Sequence[Row], key: str | None = None) -> Picture:
    """Values for the pictures of one column; without a key, of the column with the least error.

    Raises:
        WorkbenchError: no such column is finished.
    """
    rows = {row.column.name: row for row in found}
    if key is None:
        key = min(rows, key=lambda k: np.mean([result.error for result in rows[k].results]))
    if key not in rows:
        raise WorkbenchError(f"a finished column out of {', '.join(rows)}", key, "name one of them")
    outcomes = _outcomes(rows[key])
    return Picture(
        key,
        rows[key].column.title,
        outcomes[0].names,
        mean_confusion(outcomes),
        reliability(outcomes),
        summarise(outcomes),
    )


def _outcomes(row: Row) -> list[Outcomes]:
    """Outcomes of the regions, seed by seed."""
    return [result.outcomes for result in row.results]


def _row_values(row: Row) -> dict[str, Any]:
    column, results, outcomes = row.column, row.results, _outcomes(row)
    summary = summarise(outcomes)
    confusions = strongest_confusions(mean_confusion(outcomes), outcomes[0].names, CONFUSIONS)
    return {
        "key": column.name,
        "column": column.family,
        "title": column.title,
        "frozen": bool(column.varies),
        "paper": column.paper,
        "command": column.command,
        "seeds": row.seeds,
        "summary": summary.to_dict(),
        "spread": summary.spread,
        "train_error": mean([r.train_error for r in results]),
        "held_error": mean([r.held_error for r in results]),
        "entries": results[0].entries,
        "parameters": results[0].parameters,
        "minutes": mean([r.minutes for r in results]),
        "trained_per_second": mean([r.trained_per_second for r in results]),
        "tested_per_second": mean([r.tested_per_second for r in results]),
        "limits": [r.limits and asdict(r.limits) for r in results],
        "chosen": results[0].chosen,
        "training": results[0].question["config"],
        "training_before": results[0].question.get("head_first"),
        "confusions": confusions.to_dict("records"),
    }


def _tests(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Tests of every column against the columns it names, frozen against frozen."""
    rows = {row.column.name: row for row in found}
    return [
        {
            "row": row.column.title,
            "against": rows[other].column.title,
            **asdict(compare(_outcomes(row), _outcomes(rows[other]))),
        }
        for row in found
        for other in (name + FROZEN * bool(row.column.varies) for name in row.column.against)
        if other in rows
    ]


def _orderings(found: Sequence[Row], frozen: bool) -> list[dict[str, Any]]:
    """Comparisons of each pair of the paper's columns: the better one in the paper, and here.

    Networks are compared with frozen backbones, or all end to end. Probabilities are corrected for
    the number of pairs (Holm), so that all verdicts hold jointly.
    """
    group = [
        row
        for row in found
        if row.column.paper is not None
        and (not row.column.trained or bool(row.column.varies) is frozen)
    ]
    pairs = []
    for one, other in itertools.combinations(group, 2):
        if not any(row.column.trained for row in (one, other)):
            continue
        better, worse = sorted((one, other), key=lambda row: row.column.paper or 0.0)
        pairs.append((better, worse, compare(_outcomes(better), _outcomes(worse))))
    adjusted = holm([difference.p for _, _, difference in pairs])
    return [
        {
            "better": better.column.title,
            "worse": worse.column.title,
            "frozen": frozen,
            "paper": (better.column.paper or 0.0) - (worse.column.paper or 0.0),
            "difference": asdict(replace(difference, p=p)),
            "verdict": _verdict(difference, p),
        }
        for (better, worse, difference), p in zip(pairs, adjusted, strict=True)
    ]


def _verdict(difference: Difference, p: float) -> str:
    if not p < LEVEL:
        return "undecided"
    return "holds" if difference.mean < 0 else "reversed"
