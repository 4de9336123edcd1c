"""Table 1 out of the results that a folder has: rows, tests, orderings; as plain values.

Figures of a column are means over its seeds; intervals and tests resample images, with all of their
regions. A test therefore speaks of these trainings on other images; how much trainings differ among
themselves is the spread beside it.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
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
from workbench.evaluation.statistics import Difference
from workbench.experiments.regions.columns import RegionColumn
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.table1 import FROZEN
from workbench.runs.files import read_json_object, to_json
from workbench.runs.plain import plain
from workbench.runs.provenance import provenance

LEVEL = 0.05
"""Of an ordering that holds, over all pairs together."""
CONFUSIONS = 10
"""Of the pictured column, in words."""


@dataclass(frozen=True)
class _Row:
    column: RegionColumn
    frozen: bool
    results: tuple[RegionResult, ...]

    @property
    def key(self) -> str:
        return self.column.name + FROZEN * self.frozen

    @property
    def title(self) -> str:
        return self.column.title + ", frozen" * self.frozen

    @property
    def outcomes(self) -> list[Outcomes]:
        return [result.outcomes for result in self.results]


@dataclass(frozen=True)
class Picture:
    """What the pictures of one column show.

    Attributes:
        key, title: of the column.
        names: of the categories.
        confusion: how many regions of a row's category were taken for a column's, mean over seeds.
        reliability: of its probabilities.
        summary: its figures, category by category.
    """

    key: str
    title: str
    names: tuple[str, ...]
    confusion: np.ndarray
    reliability: Reliability
    summary: RecognitionSummary


def assemble(out: Path, columns: Iterable[RegionColumn]) -> dict[str, Any]:
    """What the folder of a table has, in strict JSON's plain values.

    Keys: protocol, regions, images, limit, rows, tests, orderings, missing, commits, machines,
    provenance.

    Args:
        out: the folder.
        columns: that may be in it, in the order of the table.

    Raises:
        WorkbenchError: no column is finished, or a file is damaged.
    """
    columns = list(columns)
    rows = _rows(out, columns)
    question = read_json_object(out / "question.json")
    everything = [result for row in rows.values() for result in row.results]
    found = [_row_values(row) for row in rows.values()]
    values = {
        "protocol": question["protocol"],
        "limit": question["limit"],
        "regions": question["regions"],
        "images": found[0]["summary"]["images"],
        "rows": found,
        "tests": _tests(rows),
        "orderings": [*_orderings(rows, False), *_orderings(rows, True)],
        "missing": [c.name for c in columns if not {c.name, c.name + FROZEN} & rows.keys()],
        "commits": _distinct(everything, _commit),
        "machines": _distinct(everything, _machine),
        "provenance": provenance(),
    }
    plain: dict[str, Any] = json.loads(to_json(values), parse_constant=lambda _: None)
    return plain


def picture_of(out: Path, columns: Iterable[RegionColumn], key: str | None = None) -> Picture:
    """One column's pictures; without a key those of the one with the least error.

    Raises:
        WorkbenchError: no such column is finished, or a file is damaged.
    """
    rows = _rows(out, columns)
    if key is None:
        key = min(rows, key=lambda k: np.mean([(o.rank > 0).mean() for o in rows[k].outcomes]))
    if key not in rows:
        raise WorkbenchError(f"a finished column out of {', '.join(rows)}", key, "name one of them")
    row = rows[key]
    return Picture(
        key,
        row.title,
        row.outcomes[0].names,
        mean_confusion(row.outcomes),
        reliability(row.outcomes),
        summarise(row.outcomes),
    )


def _rows(out: Path, columns: Iterable[RegionColumn]) -> dict[str, _Row]:
    rows = [
        _Row(column, frozen, _results(out / "results" / (column.name + FROZEN * frozen)))
        for column in columns
        for frozen in (False, True)
    ]
    found = {row.key: row for row in rows if row.results}
    if not found:
        raise WorkbenchError(
            f"a finished column in {out}", "none", "run `workbench table1` without --assemble"
        )
    return found


def _results(folder: Path) -> tuple[RegionResult, ...]:
    files = sorted(folder.glob("seed*.json"), key=lambda f: int(f.stem.removeprefix("seed")))
    return tuple(RegionResult.read(file) for file in files)


def _row_values(row: _Row) -> dict[str, Any]:
    results = row.results
    summary = summarise(row.outcomes)
    confusions = strongest_confusions(
        mean_confusion(row.outcomes), row.outcomes[0].names, CONFUSIONS
    )
    return {
        "key": row.key,
        "column": row.column.name,
        "title": row.title,
        "frozen": row.frozen,
        "paper": row.column.paper,
        "command": row.column.command,
        "seeds": [result.question["seed"] for result in results],
        "summary": summary.to_dict(),
        "spread": summary.spread,
        "train_error": _mean([r.train_error for r in results]),
        "held_error": _mean([r.held_error for r in results]),
        "entries": results[0].entries,
        "parameters": results[0].parameters,
        "minutes": _mean([r.minutes for r in results]),
        "trained_per_second": _mean([r.trained_per_second for r in results]),
        "tested_per_second": _mean([r.tested_per_second for r in results]),
        "limits": [r.limits and plain(r.limits) for r in results],
        "chosen": results[0].chosen,
        "training": results[0].question["config"],
        "training_before": results[0].question.get("head_first"),
        "confusions": confusions.to_dict("records"),
    }


def _tests(rows: dict[str, _Row]) -> list[dict[str, Any]]:
    """Every column against those that it names, frozen against frozen."""
    return [
        {
            "row": row.title,
            "against": rows[other].title,
            **asdict(compare(row.outcomes, rows[other].outcomes)),
        }
        for row in rows.values()
        for other in (name + FROZEN * row.frozen for name in row.column.against)
        if other in rows
    ]


def _orderings(rows: dict[str, _Row], frozen: bool) -> list[dict[str, Any]]:
    """Each pair of the paper's columns: which is better there, and which here.

    Networks are compared with frozen backbones, or all end to end. Probabilities are corrected for
    the number of pairs (Holm), so that the verdicts hold together.
    """
    group = [
        row
        for row in rows.values()
        if row.column.paper is not None and (row.column.training is None or row.frozen is frozen)
    ]
    pairs = []
    for one, other in itertools.combinations(group, 2):
        if all(row.column.training is None for row in (one, other)):
            continue
        better, worse = sorted((one, other), key=lambda row: row.column.paper or 0.0)
        pairs.append((better, worse, compare(better.outcomes, worse.outcomes)))
    adjusted = holm([difference.p for _, _, difference in pairs])
    return [
        {
            "better": better.title,
            "worse": worse.title,
            "frozen": frozen,
            "paper": (better.column.paper or 0.0) - (worse.column.paper or 0.0),
            "difference": asdict(replace(difference, p=p)),
            "verdict": _verdict(difference, p),
        }
        for (better, worse, difference), p in zip(pairs, adjusted, strict=True)
    ]


def holm(chances: Sequence[float]) -> list[float]:
    """Probabilities of several tests, corrected for their number (Holm, 1979)."""
    order = np.argsort(chances)
    factors = len(chances) - np.arange(len(chances))
    corrected = np.minimum(np.maximum.accumulate(np.array(chances)[order] * factors), 1.0)
    found = np.empty(len(chances))
    found[order] = corrected
    return found.tolist()


def _verdict(difference: Difference, p: float) -> str:
    if not p < LEVEL:
        return "undecided"
    return "holds" if difference.mean < 0 else "reversed"


def _mean(values: Sequence[float | None]) -> float:
    """NaN, which becomes None in JSON, where one is not known."""
    return float(np.mean([np.nan if value is None else value for value in values]))


def _distinct(results: Iterable[RegionResult], of: Callable[[dict[str, Any]], str]) -> list[str]:
    return list(dict.fromkeys(of(result.provenance) for result in results))


def _commit(values: dict[str, Any]) -> str:
    commit = values["commit"]
    return "unknown" if commit is None else commit[:10] + " with changes" * bool(values["dirty"])


def _machine(values: dict[str, Any]) -> str:
    machine = values["machine"]
    return machine["device"] or f"{machine['cpu']}, {machine['cores']} cores"
