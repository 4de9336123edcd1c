"""Rows and tests of Table 2 from the results of its columns, as plain values.

Figures of a column are means over its seeds; intervals and tests run over images. The scores of
gPb-owt-ucm, the best reference method, are available for 25 images only: the paired test uses
these (where WORKBENCH_DATA has them). Its means over all 100 images are compared with ours as
constants, in a one-sample test, which ignores that scores of the same image are correlated.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.evaluation.cells import pair
from workbench.evaluation.scenes.replicates import Replicates
from workbench.evaluation.scenes.scores import MethodScores
from workbench.evaluation.statistics import Difference, paired_difference
from workbench.experiments.scenes.columns import FLAT, HIERARCHY, Column, Figures
from workbench.experiments.scenes.results import ColumnResult
from workbench.experiments.tables.assemble import mean
from workbench.experiments.tables.table import Finished
from workbench.runs.files import read_json_object
from workbench.training.config import LoopConfig

GPB = Figures(0.741, 0.634)
"""Coverings of gPb-owt-ucm, eight thresholds, means over all of BSDS300's test images."""
TEST_IMAGES = 100
"""Number of images behind the means of `GPB`."""
_MEASURES = ("best", "average")


@dataclass(frozen=True)
class _Row:
    found: Finished[Column, ColumnResult]
    cut: str
    scores: Replicates

    @property
    def column(self) -> Column:
        return self.found.column

    @property
    def key(self) -> str:
        return f"{self.column.name} · {self.cut}"


def summarise(
    found: Sequence[Finished[Column, ColumnResult]], question: Mapping[str, Any]
) -> dict[str, Any]:
    """Values of Table 2 from its finished columns; keys: split, images, rows, tests."""
    rows = {row.key: row for each in found for row in _rows(each)}
    return {
        "split": question["split"],
        "images": question["images"],
        "rows": [_row_values(row) for row in rows.values()],
        "tests": _tests(rows, question["split"]),
    }


def _rows(found: Finished[Column, ColumnResult]) -> list[_Row]:
    return [
        _Row(
            found,
            cut,
            Replicates(cut, tuple(MethodScores(cut, r.cuts[cut].images) for r in found.results)),
        )
        for cut, _ in found.column.cuts
    ]


def _row_values(row: _Row) -> dict[str, Any]:
    column, results = row.column, row.found.results
    reduced = _reduced(results)
    cuts = [result.cuts[row.cut] for result in results]
    excluding = mean([r.seconds_head or 0.0 for r in results]) + mean([c.seconds for c in cuts])
    backbone = mean([r.seconds_backbone or 0.0 for r in results])
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
        "seeds": row.found.seeds,
        "seed_means": {measure: row.scores.means(measure) for measure in _MEASURES},
        "seed_spread": {measure: row.scores.spread(measure) for measure in _MEASURES},
        "rank": mean([r.rank for r in results]),
        "effective_rank": mean([r.effective_rank for r in results]),
        "effective_rank_before": mean([r.effective_rank_before for r in results]),
        "effective_rank_after": mean([r.effective_rank_after for r in results]),
        "seconds": excluding,
        "seconds_with_backbone": excluding + backbone,
        "heights": [cut.heights for cut in cuts] if row.cut == HIERARCHY else None,
    }


def _reduced(results: Sequence[ColumnResult]) -> list[str]:
    """Precisions below float32 in which convolutions were trained, in any stage."""
    stages = [stage for result in results for stage in result.question["stages"]]
    return sorted({stage["precision"] for stage in stages} - {LoopConfig.precision})


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
        name = f"gPb-owt-ucm {pair(asdict(GPB), '.3f')}"
        found.append(_test(key, name, "one sample, not paired", own, constant))
    reference = _reference()
    common = own.index.intersection(reference.index)
    if len(common) > 1:
        name = f"gPb-owt-ucm on {len(common)} images"
        found.append(_test(key, name, "paired", own.loc[common], reference.loc[common]))
    return found


def _reference() -> pd.DataFrame:
    """Best and average covering by gPb-owt-ucm, image by image, where the data are there."""
    root = os.environ.get("WORKBENCH_DATA")
    path = Path(root or "") / "BSDS500" / "ucm2" / "reference.json"
    if not root or not path.is_file():
        return pd.DataFrame(columns=list(_MEASURES))
    images = read_json_object(path)["images"]
    return pd.DataFrame.from_dict(images, orient="index")[list(_MEASURES)].astype(float)


def _test(
    key: str, other: str, kind: str, own: pd.DataFrame, theirs: pd.DataFrame
) -> dict[str, Any]:
    """Test of the lead of a row on another one, on the same images."""
    differences: dict[str, Difference] = {
        measure: paired_difference(
            own[measure].to_numpy(), theirs[measure].loc[own.index].to_numpy()
        )
        for measure in _MEASURES
    }
    return {"row": key, "against": other, "kind": kind} | {
        measure: asdict(difference) for measure, difference in differences.items()
    }
