"""The paper's Table 2: how its columns are trained and evaluated by `experiments.tables`.

DIR/runs/<column>/seed0/1-frozen …       the trainings, run folders with their checkpoints
DIR/results/<column>/seed0.json          scores of every image (`results`)
DIR/results/<column>/scenes.safetensors  segmentations of the scenes of Figure 3
DIR/scenes.safetensors                   images and human segmentations of these scenes
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.data import Scenes
from workbench.experiments.other_store import OtherStore
from workbench.experiments.scenes.columns import COLUMNS, Column
from workbench.experiments.scenes.elsewhere import (
    FeatureSource,
    resolved_config,
    scenes_elsewhere,
)
from workbench.experiments.scenes.evaluate import (
    evaluate_contours,
    evaluate_network,
    mean_effective_rank,
)
from workbench.experiments.scenes.results import ColumnResult
from workbench.experiments.scenes.summary import summarise
from workbench.experiments.scenes.training import train_deep_ncuts
from workbench.experiments.tables.table import Finished, Table, TableRequest
from workbench.experiments.tables.trainings import essence, finished_run
from workbench.models import DeepNCuts
from workbench.models.backbones import backbone_entry
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.runs.questions import digest_of
from workbench.segmentation import HierarchyConfig
from workbench.training.building import fresh_model, trained_model
from workbench.training.devices import threads
from workbench.training.scenes.config import DeepNCutsConfig

HELD = 20
"""Number of training scenes on which an untrained column chooses the heights of its cuts."""


@dataclass(frozen=True)
class Table2Request(TableRequest):
    """Settings that all columns of Table 2 share.

    Attributes:
        split: name of the evaluated split.
    """

    split: str = "test"

    @cached_property
    def scenes(self) -> Scenes:
        """Evaluated scenes."""
        return Scenes.open(self.store, self.split).first(self.limit)

    def stages(self, column: Column, seed: int) -> tuple[DeepNCutsConfig, ...]:
        """Trainings of a column, still without paths and device."""
        return tuple(
            replace(
                stage,
                seed=seed,
                passes=self.passes or stage.passes,
                precision=stage.precision if stage.frozen else self.precision,
            )
            for stage in column.stages
        )


class Table2(Table[Column, ColumnResult, Table2Request]):
    """Table 2: image segmentation on BSDS300."""

    name = "table2"
    items = "scenes"
    columns = COLUMNS
    request = Table2Request
    result = ColumnResult

    def question(self, request: Table2Request) -> dict[str, Any]:
        """Question of a folder: all its columns are evaluated on the same scenes."""
        return {
            "store": request.scenes.dataset.attrs["digest"],
            "split": request.split,
            "images": len(request.scenes),
        }

    def asked(self, request: Table2Request, column: Column, seed: int) -> dict[str, Any]:
        """Question of a result: trainings, weights and ways to cut."""
        architectures = [*(stage.architecture for stage in column.stages), column.architecture]
        backbones = {a.backbone: _weights(a.backbone) for a in architectures if a is not None}
        return {
            "column": column.name,
            "seed": seed,
            "contours": column.contours and asdict(column.contours),
            "architecture": column.architecture and asdict(column.architecture),
            "stages": [essence(stage) for stage in request.stages(column, seed)],
            "weights": {name: file and digest_of(Path(file)) for name, file in backbones.items()},
            "cuts": {name: asdict(config) for name, config in column.cuts},
            "choose_heights": column.choose_heights,
        }

    def evaluate(
        self, request: Table2Request, column: Column, seed: int, asked: dict[str, Any]
    ) -> ColumnResult:
        """Train missing stages, and score every scene."""
        scenes, kept = request.scenes, request.out if seed == 0 else None
        if column.contours is not None:
            return evaluate_contours(column, scenes, asked, kept)
        if not column.stages:
            config = _untrained(request, column)
            model, runs = fresh_model(config), []
        else:
            runs = _train(request, column, seed)
            config, model = (
                DeepNCutsConfig.from_dict(runs[-1].config),
                trained_model(runs[-1], DeepNCutsConfig),
            )
        _, held = Scenes.open(request.store, "train").hold_out(config.holdout, seed)
        with threads(request.threads):
            found = evaluate_network(column, model, scenes, held, asked, request.device, kept)
        if not runs:
            return found
        before = fresh_model(DeepNCutsConfig.from_dict(runs[0].config))
        return replace(
            found,
            effective_rank_before=mean_effective_rank(before, held, request.device),
            effective_rank_after=mean_effective_rank(model, held, request.device),
        )

    def question_elsewhere(
        self, found: Sequence[Finished[Column, ColumnResult]], other: OtherStore
    ) -> dict[str, Any]:
        """Question of the scenes of another store; its split is never that of BSDS300's test."""
        images = len(scenes_elsewhere(other))
        return {"store": other.digest, "split": other.words, "images": images}

    def evaluate_elsewhere(
        self, folder: Path, found: Sequence[tuple[Column, ColumnResult]], other: OtherStore
    ) -> Iterator[tuple[Column, ColumnResult]]:
        """Results on another store, hierarchies cut at the heights of the table's own results."""
        scenes = scenes_elsewhere(other)
        source = FeatureSource(other, scenes)
        work = [(c, result, _network(folder, c, result)) for c, result in found]
        for _, _, network in work:
            if network is not None:
                source.add(*network)
        source.refuse_idle()
        for column, result, network in work:
            if network is None:
                yield column, evaluate_contours(column, scenes, result.question)
                continue
            column_there = _with_heights_of(column, result)
            none_held = scenes.first(0)
            with threads(other.threads):
                again = evaluate_network(
                    column_there, network[0], scenes, none_held, result.question, other.device,
                    source=source,
                )  # fmt: skip
            yield (
                column,
                replace(
                    again,
                    effective_rank_before=result.effective_rank_before,
                    effective_rank_after=result.effective_rank_after,
                ),
            )

    def summarise(
        self, found: Sequence[Finished[Column, ColumnResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of the table, see `summary`."""
        return summarise(found, question)


TABLE2 = Table2()


def _network(
    folder: Path, column: Column, result: ColumnResult
) -> tuple[DeepNCuts, DeepNCutsConfig] | None:
    """Network of a result and its configuration; None of a classical column."""
    if column.contours is not None:
        return None
    if not column.stages:
        assert column.architecture is not None
        weights = _weights(column.architecture.backbone)
        config = DeepNCutsConfig(store="", architecture=column.architecture, weights=weights)
        return fresh_model(config).eval(), config
    place = folder / "runs" / column.family / f"seed{result.question['seed']}"
    stage = column.stages[-1]
    kind = "frozen" if stage.frozen else "end-to-end"
    run = Run.open(place / f"{len(column.stages)}-{kind}")
    return trained_model(run, DeepNCutsConfig), resolved_config(run)


def _with_heights_of(column: Column, result: ColumnResult) -> Column:
    """Column that cuts hierarchies at the heights of a result."""
    cuts = tuple(
        (name, replace(config, heights=result.cuts[name].heights or config.heights))
        if isinstance(config, HierarchyConfig)
        else (name, config)
        for name, config in column.cuts
    )
    return replace(column, cuts=cuts, choose_heights=False)


def _train(request: Table2Request, column: Column, seed: int) -> list[Run]:
    """Runs of a column's stages; missing ones are trained now."""
    runs: list[Run] = []
    for number, stage in enumerate(request.stages(column, seed), 1):
        kind = "frozen" if stage.frozen else "end-to-end"
        folder = request.out / "runs" / column.family / f"seed{seed}"
        path = folder / f"{number}-{kind}"
        backbone = stage.architecture.backbone
        config = replace(
            stage,
            store=str(request.store),
            weights=_weights(backbone),
            start=str(runs[-1].path) if runs else None,
            cache=request.features_of(column) if stage.frozen else None,
            device=request.device,  # type: ignore[arg-type]
            threads=request.threads,
        )
        label = f"{column.name}, seed {seed}, {path.name}"
        runs.append(finished_run(config, path, label, train_deep_ncuts))
    return runs


def _untrained(request: Table2Request, column: Column) -> DeepNCutsConfig:
    assert column.architecture is not None
    scenes = len(Scenes.open(request.store, "train"))
    return DeepNCutsConfig(
        store=str(request.store),
        architecture=column.architecture,
        weights=_weights(column.architecture.backbone),
        holdout=min(HELD, scenes // 2),
    )


def _weights(backbone: str) -> str | None:
    """Path of a backbone's pretrained weights; None where there are none."""
    return str(known_weights(backbone)) if backbone_entry(backbone).pretrained else None
