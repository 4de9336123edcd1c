"""The paper's Table 1 for the table machine: how its columns are trained and evaluated.

    DIR/runs/<column>/seed0             the trainings, run folders with their checkpoints
    DIR/results/<column>/seed0.json     what came of each region (`results`)
    DIR/sift-vectors/                   vectors of `sift-o2p`, computed once

With a frozen backbone a column is another one, named `<column>-frozen`: both may stand in one
table. `head_first`, a network whose backbone is not frozen begins with what that other column left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.data import RegionParts, Regions, region_parts
from workbench.data.region_split import Protocol
from workbench.experiments.regions.columns import REGION_COLUMNS, RegionColumn
from workbench.experiments.regions.evaluate import evaluate_run, evaluate_sift
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.sift_o2p import SiftO2PConfig
from workbench.experiments.regions.summary import summarise_columns
from workbench.experiments.regions.training import train_regions
from workbench.experiments.tables.questions import digest_of
from workbench.experiments.tables.table import Finished, Table, TableRequest
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of


@dataclass(frozen=True)
class Table1Request(TableRequest):
    """What all columns of Table 1 share; `limit` is of every part.

    Attributes:
        head_first: train pretrained networks with a frozen backbone first, and then all of their
            parameters.
        protocol: see `data.region_parts`.
        workers: processes that compute dense SIFT.
    """

    head_first: bool = False
    protocol: Protocol = "pooled"
    workers: int = 2

    @cached_property
    def parts(self) -> RegionParts:
        """The regions that are trained on and tested."""
        return region_parts(Regions.open(self.store), self.protocol).limited(self.limit)


class Table1(Table[RegionColumn, RegionResult, Table1Request]):
    """Classification of COCO's regions."""

    name = "table1"
    items = "regions"
    columns = REGION_COLUMNS
    request = Table1Request
    result = RegionResult
    variant_fills = True
    threads = False  # as its record has them

    def question(self, request: Table1Request) -> dict[str, Any]:
        """All columns of a folder are evaluated on the same regions."""
        test = request.parts.test
        return {
            "store": test.table.attrs["fingerprint"],
            "protocol": request.protocol,
            "limit": request.limit,
            "regions": len(test),
            "test": test.identity,
            "names": list(test.names),
        }

    def asked(self, request: Table1Request, column: RegionColumn, seed: int) -> dict[str, Any]:
        """The training, the one that goes before it, and the weights."""
        shared = {"column": column.name, "seed": seed}
        if not column.trained:
            return shared | {"config": asdict(SiftO2PConfig())}
        config = _config(request, column, seed, request.passes)
        head = _head(request, column)
        return shared | {
            "config": essence(config),
            "head_first": None if head is None else essence(_config(request, head, seed, None)),
            "weights": config.weights and digest_of(Path(config.weights)),
        }

    def evaluate(
        self, request: Table1Request, column: RegionColumn, seed: int, asked: dict[str, Any]
    ) -> RegionResult:
        """Train what is missing, and score the test regions."""
        if not column.trained:
            vectors = request.out / "sift-vectors"
            return evaluate_sift(request.parts, asked, vectors, request.workers)
        config = _config(request, column, seed, request.passes)
        runs = _trained(request, column, seed, config)
        return evaluate_run(runs, parts_of(config), config, asked)

    def summarise(
        self, found: Sequence[Finished[RegionColumn, RegionResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `summary`."""
        return summarise_columns(found, question)


TABLE1 = Table1()


def _config(
    request: Table1Request, column: RegionColumn, seed: int, passes: int | None
) -> RegionConfig:
    """The training of a column as the request has it; without passes, with the column's own."""
    base = column.network
    if column.pretrained:
        weights = str(known_weights(base.architecture.backbone))
        base = column.frozen(weights) if column.varies else replace(base, weights=weights)
    return replace(
        base,
        architecture=replace(base.architecture, classes=len(request.parts.test.names)),
        store=str(request.store),
        cache=request.features_of(column) if column.varies else None,
        protocol=request.protocol,
        passes=passes or base.passes,
        limit=request.limit,
        seed=seed,
        device=request.device,  # type: ignore[arg-type]
        precision=request.precision,
    )


def _head(request: Table1Request, column: RegionColumn) -> RegionColumn | None:
    """The column whose training goes before; None if none does."""
    first = request.head_first and column.pretrained and not column.varies
    return column.frozen_variant() if first else None


def _trained(
    request: Table1Request, column: RegionColumn, seed: int, config: RegionConfig
) -> list[Run]:
    """The finished runs of a column, one or two."""
    runs = []
    if (head := _head(request, column)) is not None:
        runs = _trained(request, head, seed, _config(request, head, seed, None))
        config = replace(config, start=str(runs[-1].path))
    place = request.out / "runs" / column.name / f"seed{seed}"
    return [*runs, finished_run(config, place, f"{column.name}, seed {seed}", train_regions)]
