"""The paper's Table 1: every column trained and evaluated, one after the other.

    DIR/question.json                   store, split and test regions that all columns share
    DIR/runs/<column>/seed0             the trainings, run folders with their checkpoints
    DIR/results/<column>/seed0.json     what came of each region (`region_results`)
    DIR/sift-vectors/                   vectors of `sift-o2p`, computed once

What is there is not made again: an interrupted command goes on with the next missing seed or
column, and an interrupted training at its checkpoint. Several commands on different columns or
seeds may fill one folder at the same time. With a frozen backbone a column is another one, named
`<column>-frozen`: both may stand in one table. `head_first`, a network whose backbone is not frozen
begins with what that other column left.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from workbench.data import RegionParts, Regions, region_parts
from workbench.data.region_split import Protocol
from workbench.errors import WorkbenchError
from workbench.experiments.regions.columns import RegionColumn
from workbench.experiments.regions.evaluate import evaluate_run, evaluate_sift
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.sift_o2p import SiftO2PConfig
from workbench.experiments.regions.training import train_regions
from workbench.experiments.tables import (
    agree_on_question,
    digest_of,
    essence,
    finished_run,
    refuse_other,
)
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.training.config import Precision
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of

FROZEN = "-frozen"
"""What a column's name ends in where the backbone keeps its weights."""


@dataclass(frozen=True)
class Table1Request:
    """What all columns of a table share.

    Attributes:
        store: zarr store of regions.
        out: folder of the table.
        seeds: of the trainings of every column that is trained.
        frozen: train with the backbone's own weights.
        head_first: train pretrained networks so first, and then all of their parameters.
        features: by a column's name, a store of its frozen backbone's features.
        passes: over the training regions; None: each column's own.
        protocol: see `data.region_parts`.
        limit: only so many regions of every part.
        device: "auto", "cpu" or "cuda".
        precision: of the convolutions, see `LoopConfig`.
        workers: processes that compute dense SIFT.
    """

    store: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    frozen: bool = False
    head_first: bool = False
    features: tuple[tuple[str, str], ...] = ()
    passes: int | None = None
    protocol: Protocol = "pooled"
    limit: int | None = None
    device: str = "auto"
    precision: Precision = "32-true"
    workers: int = 2

    def key(self, column: RegionColumn) -> str:
        """The column's name in this table."""
        return column.name + FROZEN * (self.frozen and column.training is not None)

    def results(self, column: RegionColumn, seed: int) -> Path:
        """The file of one seed's result."""
        return self.out / "results" / self.key(column) / f"seed{seed}.json"


def run_columns(request: Table1Request, columns: list[RegionColumn]) -> None:
    """Train and evaluate columns, as far as that has not been done.

    Raises:
        PipelineError, WorkbenchError: store, features or weights are not there; something was
            asked differently before; a column from scratch is to be frozen; a training diverged.
        KeyboardInterrupt: SIGINT or SIGTERM stopped a training, which has a checkpoint.
    """
    _refuse_frozen(request, columns)
    regions = Regions.open(request.store)
    parts = region_parts(regions, request.protocol).limited(request.limit)
    _agree_on_question(request, parts)
    for column, seed in _pieces(request, columns):
        path = request.results(column, seed)
        label = f"{request.key(column)}, seed {seed}"
        config = None if column.training is None else _config(request, column, seed, regions.names)
        question = _question(request, column, seed, config)
        if path.exists():
            refuse_other(
                RegionResult.read(path).question,
                question,
                label,
                f"ask the same, give another --out, or delete {path} and its training",
            )
            tqdm.write(f"{label}: done before, in {path}")
            continue
        if config is None:
            result = evaluate_sift(parts, question, request.out / "sift-vectors", request.workers)
        else:
            runs = _trained(request, column, seed, config)
            result = evaluate_run(runs, parts_of(config), config, question)
        result.write(path)
        error = float(np.mean(result.outcomes.rank > 0))
        tqdm.write(f"{label}: error {100 * error:.1f} %, {path}")


def _pieces(
    request: Table1Request, columns: list[RegionColumn]
) -> Iterator[tuple[RegionColumn, int]]:
    """What there is to do; without a network all seeds are the same."""
    for column in columns:
        for seed in request.seeds if column.training else (0,):
            yield column, seed


def _refuse_frozen(request: Table1Request, columns: list[RegionColumn]) -> None:
    random = [c.name for c in columns if c.training is not None and not c.pretrained]
    if request.frozen and random:
        raise WorkbenchError(
            "columns with pretrained backbones, to freeze them",
            ", ".join(random),
            "leave these or --frozen out",
        )


def _config(
    request: Table1Request, column: RegionColumn, seed: int, names: tuple[str, ...]
) -> RegionConfig:
    """The training of a column as the request has it."""
    base = column.network
    if column.pretrained:
        weights = str(known_weights(base.architecture.backbone))
        base = column.frozen(weights) if request.frozen else replace(base, weights=weights)
    cache = dict(request.features).get(column.name) if request.frozen else None
    return replace(
        base,
        architecture=replace(base.architecture, classes=len(names)),
        store=str(request.store),
        cache=cache,
        protocol=request.protocol,
        passes=request.passes or base.passes,
        limit=request.limit,
        seed=seed,
        device=request.device,  # type: ignore[arg-type]
        precision=request.precision,
    )


def _head(request: Table1Request, column: RegionColumn) -> Table1Request | None:
    """What is asked of the training that goes before; None if none does."""
    if request.frozen or not (request.head_first and column.pretrained):
        return None
    return replace(request, frozen=True, passes=None)


def _trained(
    request: Table1Request, column: RegionColumn, seed: int, config: RegionConfig
) -> list[Run]:
    """The finished runs of a column, one or two."""
    runs = []
    if (head := _head(request, column)) is not None:
        first = _config(head, column, seed, Regions.open(request.store, fields=("image",)).names)
        runs = _trained(head, column, seed, first)
        config = replace(config, start=str(runs[-1].path))
    key = request.key(column)
    place = request.out / "runs" / key / f"seed{seed}"
    return [*runs, finished_run(config, place, f"{key}, seed {seed}", train_regions)]


def _question(
    request: Table1Request, column: RegionColumn, seed: int, config: RegionConfig | None
) -> dict[str, Any]:
    """What a result answers; store and test regions are asked once of the folder."""
    shared = {"column": request.key(column), "seed": seed}
    if config is None:
        return shared | {"config": asdict(SiftO2PConfig())}
    weights = config.weights and digest_of(Path(config.weights))
    head = _head(request, column)
    names = config.architecture.classes * ("",)
    first = None if head is None else essence(_config(head, column, seed, names))
    return shared | {"config": essence(config), "head_first": first, "weights": weights}


def _agree_on_question(request: Table1Request, parts: RegionParts) -> None:
    """All columns of a folder are evaluated on the same regions."""
    question = {
        "store": parts.test.table.attrs["fingerprint"],
        "protocol": request.protocol,
        "limit": request.limit,
        "regions": len(parts.test),
        "test": parts.test.identity,
        "names": list(parts.test.names),
    }
    agree_on_question(request.out, question, "the table")
