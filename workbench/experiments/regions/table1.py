"""The paper's Table 1: how its columns are trained and evaluated by `experiments.tables`.

    DIR/runs/<column>/seed0             the trainings, run folders with their checkpoints
    DIR/results/<column>/seed0.json     outcomes of all regions (`results`)
    DIR/sift-vectors/                   vectors of `sift-o2p`, computed once

With a frozen backbone a column is a variant named `<column>-frozen`: both may be in one table.
With `head_first` a network whose backbone is trained starts from the network of that variant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.data import RegionParts, Regions, region_parts
from workbench.data.categories import Categories
from workbench.data.region_split import Protocol
from workbench.experiments.other_store import OtherStore
from workbench.experiments.regions.columns import REGION_COLUMNS, RegionColumn
from workbench.experiments.regions.elsewhere import regions_elsewhere, score_elsewhere
from workbench.experiments.regions.evaluate import evaluate_run, evaluate_sift
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.sift_o2p import SiftO2PConfig
from workbench.experiments.regions.summary import summarise_columns
from workbench.experiments.regions.training import train_regions
from workbench.experiments.tables.table import Finished, Table, TableRequest
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.runs.files import read_json_object
from workbench.runs.finding import find_runs, is_store, resolved_path
from workbench.runs.provenance import provenance
from workbench.runs.questions import QUESTION, digest_of
from workbench.training.devices import threads
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of
from workbench.training.training_data import categories_of


@dataclass(frozen=True)
class Table1Request(TableRequest):
    """Settings that all columns of Table 1 share; `limit` applies to each part.

    Attributes:
        head_first: train pretrained networks with a frozen backbone first, and then all of their
            parameters.
        protocol: division into parts, see `data.region_parts`.
        workers: number of processes that compute dense SIFT.
    """

    head_first: bool = False
    protocol: Protocol = "pooled"
    workers: int = 2

    @cached_property
    def parts(self) -> RegionParts:
        """Regions for training and testing."""
        return region_parts(Regions.open(self.store), self.protocol).limited(self.limit)


class Table1(Table[RegionColumn, RegionResult, Table1Request]):
    """Table 1: classification of COCO's regions."""

    name = "table1"
    items = "regions"
    columns = REGION_COLUMNS
    request = Table1Request
    result = RegionResult
    variant_fills = True
    threads = False  # as its record has them

    def question(self, request: Table1Request) -> dict[str, Any]:
        """Question of a folder: all its columns are evaluated on the same regions."""
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
        """Question of a result: the training, the one before it, and the weights."""
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
        """Train missing runs, and score the test regions."""
        if not column.trained:
            vectors = request.out / "sift-vectors"
            return evaluate_sift(request.parts, asked, vectors, request.workers)
        config = _config(request, column, seed, request.passes)
        runs = _trained(request, column, seed, config)
        with threads(config.threads_chosen):
            return evaluate_run(runs, parts_of(config), config, asked)

    def question_elsewhere(
        self, found: Sequence[Finished[RegionColumn, RegionResult]], other: OtherStore
    ) -> dict[str, Any]:
        """Question of the regions of another store, with the differences of the categories."""
        categories = _categories(found[0].results[0])
        matched = regions_elsewhere(other, categories, masks=False)
        return {
            "store": other.digest,
            "protocol": other.words,
            "limit": None,
            "regions": len(matched.regions),
            "test": matched.regions.identity,
            "names": list(categories.names),
            "said": matched.sentences(),
        }

    def evaluate_elsewhere(
        self, folder: Path, found: Sequence[tuple[RegionColumn, RegionResult]], other: OtherStore
    ) -> Iterator[tuple[RegionColumn, RegionResult]]:
        """Results with the outcomes on another store; all else is that of the training."""
        trained = [(c, result, _run_of(folder, c, result)) for c, result in found if c.trained]
        runs = [run for _, _, run in trained]
        known = [categories_of(run, result.outcomes.names) for _, result, run in trained]
        for (column, result, _), scored in zip(
            trained, score_elsewhere(runs, other, known), strict=True
        ):
            yield column, replace(result, outcomes=scored.outcomes, provenance=provenance())
        for column, result in found:
            if column.trained:
                continue
            parts = self._parts_of_training(folder)
            if parts is None:
                tqdm.write(f"{column.name}: left out, as the training regions are not there")
                continue
            matched = regions_elsewhere(other, _categories(result))
            parts = replace(parts, test=matched.regions)
            vectors = folder / "sift-vectors"
            again = evaluate_sift(parts, result.question, vectors, Table1Request.workers)
            yield column, again

    def _parts_of_training(self, folder: Path) -> RegionParts | None:
        """Regions with masks that the table's columns trained on; None where they are not there."""
        question = read_json_object(folder / QUESTION)
        for path in find_runs(folder / "runs"):
            run = Run.open(path)
            store = resolved_path(run, run.config["store"])
            if is_store(store):
                regions = Regions.open(store)
                return region_parts(regions, question["protocol"]).limited(question["limit"])
        return None

    def summarise(
        self, found: Sequence[Finished[RegionColumn, RegionResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of the table, see `summary`."""
        return summarise_columns(found, question)


TABLE1 = Table1()


def _config(
    request: Table1Request, column: RegionColumn, seed: int, passes: int | None
) -> RegionConfig:
    """Training of a column as the request asks; without passes, with the column's own."""
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
        threads=request.threads,
    )


def _head(request: Table1Request, column: RegionColumn) -> RegionColumn | None:
    """Column whose training comes first; None if there is none."""
    first = request.head_first and column.pretrained and not column.varies
    return column.frozen_variant() if first else None


def _run_of(folder: Path, column: RegionColumn, result: RegionResult) -> Run:
    """Run of a result."""
    return Run.open(folder / "runs" / column.name / f"seed{result.question['seed']}")


def _categories(result: RegionResult) -> Categories:
    """Categories of a result, whose ids are not on record."""
    return Categories(result.outcomes.names)


def _trained(
    request: Table1Request, column: RegionColumn, seed: int, config: RegionConfig
) -> list[Run]:
    """Finished runs of a column, one or two."""
    runs = []
    if (head := _head(request, column)) is not None:
        runs = _trained(request, head, seed, _config(request, head, seed, None))
        config = replace(config, start=str(runs[-1].path))
    place = request.out / "runs" / column.name / f"seed{seed}"
    return [*runs, finished_run(config, place, f"{column.name}, seed {seed}", train_regions)]
