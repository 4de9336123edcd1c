"""The table out of the results that a folder has: rows, tests, what is missing; as plain values.

Figures of a column are means over its seeds; intervals and tests run over images. gPb-owt-ucm, the
best of the reference methods, comes with scores of 25 images only: on those it is compared in pairs
(where WORKBENCH_DATA has them); its means over all 100 are held against ours as constants, in a
test of one sample, which does not know that both found the same images hard.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.replicates import Replicates
from workbench.evaluation.statistics import Difference, paired_difference
from workbench.experiments.scenes.columns import FLAT, HIERARCHY, Column, Figures
from workbench.experiments.scenes.results import ColumnResult
from workbench.runs.files import read_json_object, to_json
from workbench.runs.provenance import provenance
from workbench.training.config import LoopConfig

GPB = Figures(0.741, 0.634)
"""gPb-owt-ucm, eight thresholds, on all of BSDS300's test images; the paper's best rounds to it."""
TEST_IMAGES = 100
"""How many images those means are of."""
_MEASURES = ("best", "average")


@dataclass(frozen=True)
class _Row:
    column: Column
    cut: str
    results: tuple[ColumnResult, ...]
    scores: Replicates

    @property
    def key(self) -> str:
        return f"{self.column.name} · {self.cut}"


def assemble(out: Path, columns: Iterable[Column]) -> dict[str, Any]:
    """What the folder of a table has, in strict JSON's plain values.

    Keys: split, images, rows, tests, missing, commits, machines, provenance.

    Args:
        out: the folder.
        columns: that may be in it, in the order of the table.

    Raises:
        WorkbenchError: no column is finished, or a file is damaged.
    """
    columns = list(columns)
    results = {column.name: _results(out, column) for column in columns}
    rows = {row.key: row for column in columns for row in _rows(column, results[column.name])}
    if not rows:
        raise WorkbenchError(
            f"a finished column in {out}", "none", "run `workbench table2` without --assemble"
        )
    question = read_json_object(out / "question.json")
    everything = [result for each in results.values() for result in each]
    values = {
        "split": question["split"],
        "images": question["images"],
        "rows": [_row_values(row) for row in rows.values()],
        "tests": _tests(rows, question["split"]),
        "missing": [c.name for c in columns if not results[c.name] and not c.runs],
        "commits": _distinct(everything, _commit),
        "machines": _distinct(everything, lambda p: _machine(p["machine"])),
        "provenance": provenance(),
    }
    plain: dict[str, Any] = json.loads(to_json(values), parse_constant=lambda _: None)
    return plain


def _results(out: Path, column: Column) -> tuple[ColumnResult, ...]:
    folder = out / "results" / column.name
    files = sorted(folder.glob("seed*.json"), key=lambda f: int(f.stem.removeprefix("seed")))
    return tuple(ColumnResult.read(file) for file in files)


def _rows(column: Column, results: tuple[ColumnResult, ...]) -> list[_Row]:
    return [
        _Row(column, cut, results, Replicates(cut, tuple(r.cuts[cut].scores for r in results)))
        for cut, _ in column.cuts
        if results
    ]


def _row_values(row: _Row) -> dict[str, Any]:
    column, results = row.column, row.results
    reduced = _reduced(results)
    cuts = [result.cuts[row.cut] for result in results]
    excluding = _mean([r.seconds_head or 0.0 for r in results]) + _mean([c.seconds for c in cuts])
    backbone = _mean([r.seconds_backbone or 0.0 for r in results])
    return {
        "key": row.key,
        "column": column.name,
        "title": column.title,
        "cut": row.cut,
        "paper": column.paper and asdict(column.paper),
        "expected": column.expected and asdict(column.expected),
        "command": column.command + "".join(f" --precision {each}" for each in reduced),
        "minutes": column.minutes,
        "mean": asdict(row.scores.summary()),
        "reduced": reduced,
        "seeds": [result.question["seed"] for result in results],
        "seed_means": {measure: row.scores.means(measure) for measure in _MEASURES},
        "seed_spread": {measure: row.scores.spread(measure) for measure in _MEASURES},
        "rank": _mean([r.rank for r in results]),
        "effective_rank": _mean([r.effective_rank for r in results]),
        "effective_rank_before": _mean([r.effective_rank_before for r in results]),
        "effective_rank_after": _mean([r.effective_rank_after for r in results]),
        "seconds": excluding,
        "seconds_with_backbone": excluding + backbone,
        "heights": [cut.heights for cut in cuts] if row.cut == HIERARCHY else None,
    }


def _reduced(results: Sequence[ColumnResult]) -> list[str]:
    """The precisions below float32 in which convolutions were trained, in any stage."""
    stages = [stage for result in results for stage in result.question["stages"]]
    return sorted({stage["precision"] for stage in stages} - {LoopConfig.precision})


def _mean(values: Sequence[float | None]) -> float:
    """NaN, which becomes None in JSON, where one is not known."""
    return float(np.mean([np.nan if value is None else value for value in values]))


def _tests(rows: dict[str, _Row], split: str) -> list[dict[str, Any]]:
    found = []
    for row in rows.values():
        own = row.scores.per_image()
        others = [f"{name} · {row.cut}" for name in row.column.against]
        if row.cut == HIERARCHY:
            others.append(f"{row.column.name} · {FLAT}")
        for other in others:
            if other in rows:
                theirs = rows[other].scores.per_image()
                found.append(_test(row.key, other, "paired", own, theirs))
        if row.column.stages and split == "test":
            found += _against_gpb(row.key, own)
    return found


def _against_gpb(key: str, own: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    if len(own) == TEST_IMAGES:
        constant = pd.DataFrame(asdict(GPB), index=own.index)
        name = f"gPb-owt-ucm {GPB.best:.3f} ({GPB.average:.3f})"
        found.append(_test(key, name, "one sample, not paired", own, constant))
    reference = _reference()
    common = own.index.intersection(reference.index)
    if len(common) > 1:
        name = f"gPb-owt-ucm on {len(common)} images"
        found.append(_test(key, name, "paired", own.loc[common], reference.loc[common]))
    return found


def _reference() -> pd.DataFrame:
    """Best and average covering by gPb-owt-ucm, image by image, where the data are at hand."""
    root = os.environ.get("WORKBENCH_DATA")
    path = Path(root or "") / "BSDS500" / "ucm2" / "reference.json"
    if not root or not path.is_file():
        return pd.DataFrame(columns=list(_MEASURES))
    images = read_json_object(path)["images"]
    return pd.DataFrame.from_dict(images, orient="index")[list(_MEASURES)].astype(float)


def _test(
    key: str, other: str, kind: str, own: pd.DataFrame, theirs: pd.DataFrame
) -> dict[str, Any]:
    """The lead of a row on another one, on the same images."""
    differences: dict[str, Difference] = {
        measure: paired_difference(
            own[measure].to_numpy(), theirs[measure].loc[own.index].to_numpy()
        )
        for measure in _MEASURES
    }
    return {"row": key, "against": other, "kind": kind} | {
        measure: asdict(difference) for measure, difference in differences.items()
    }


def _distinct(results: Sequence[ColumnResult], what: Callable[[dict[str, Any]], str]) -> list[str]:
    """Different words about where the results come from, in order of appearance."""
    return list(dict.fromkeys(what(result.provenance) for result in results))


def _commit(found: dict[str, Any]) -> str:
    changed = " with changes" if found["dirty"] else ""
    return f"{(found['commit'] or 'unknown')[:10]}{changed}"


def _machine(found: dict[str, Any]) -> str:
    return found["device"] or f"{found['cpu']}, {found['threads']} of {found['cores']} cores"
