"""The paper's Table 2: every column trained and evaluated, one after the other.

    DIR/question.json                        split, store and images that all columns share
    DIR/runs/<column>/seed0/1-frozen …       the trainings, run folders with their checkpoints
    DIR/results/<column>/seed0.json          scores of every image (`column_results`)
    DIR/results/<column>/scenes.safetensors  segmentations of a few scenes, for Figure 3
    DIR/scenes.safetensors                   images and human segmentations of these

What is there is not made again: an interrupted command goes on with the next missing stage, seed or
column, and an interrupted training at its checkpoint. Several commands on different columns or
seeds may fill one folder at the same time.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.data import Scenes
from workbench.experiments.scenes.columns import Column
from workbench.experiments.scenes.evaluate import (
    evaluate_contours,
    evaluate_network,
    mean_effective_rank,
)
from workbench.experiments.scenes.results import ColumnResult
from workbench.experiments.scenes.training import train_deep_ncuts
from workbench.experiments.tables import (
    agree_on_question,
    digest_of,
    essence,
    finished_run,
    refuse_other,
)
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.training.building import fresh_model, trained_model
from workbench.training.config import Precision
from workbench.training.scenes.config import DeepNCutsConfig

HELD = 20
"""Training scenes on which an untrained column chooses the heights of its cuts."""


@dataclass(frozen=True)
class Table2Request:
    """What all columns of a table share.

    Attributes:
        store: zarr store of scenes.
        out: folder of the table.
        seeds: of the trainings of every column that is trained.
        split: that is evaluated.
        limit: only its first so many scenes.
        features: by a column's name, a store of its frozen backbone's features.
        device: "auto", "cpu" or "cuda".
        precision: of the convolutions where all parameters are trained, see `LoopConfig`.
    """

    store: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "test"
    limit: int | None = None
    features: tuple[tuple[str, str], ...] = ()
    device: str = "auto"
    precision: Precision = "32-true"

    def stages(self, column: Column, seed: int) -> tuple[DeepNCutsConfig, ...]:
        """The trainings of a column; where they read and run is not in them yet."""
        return tuple(
            replace(stage, seed=seed, precision=stage.precision if stage.frozen else self.precision)
            for stage in column.stages
        )

    def results(self, column: Column, seed: int) -> Path:
        """The file of one seed's result."""
        return self.out / "results" / column.name / f"seed{seed}.json"


def run_columns(request: Table2Request, columns: list[Column]) -> None:
    """Train and evaluate columns, as far as that has not been done.

    Raises:
        PipelineError, WorkbenchError: store, split or weights are not there; something was asked
            differently before; a training diverged.
        KeyboardInterrupt: SIGINT or SIGTERM stopped a training, which has a checkpoint.
    """
    scenes = Scenes.open(request.store, request.split).first(request.limit)
    _agree_on_question(request, scenes)
    for column, seed in _pieces(request, columns):
        path = request.results(column, seed)
        label = f"{column.name}, seed {seed}"
        question = _question(request, column, seed)
        if path.exists():
            refuse_other(
                ColumnResult.read(path).question,
                question,
                label,
                f"ask the same, give another --out, or delete {path} (its training stays)",
            )
            tqdm.write(f"{label}: done before, in {path}")
            continue
        _run(request, column, seed, scenes, question).write(path)
        tqdm.write(f"{label}: {path}")


def _pieces(request: Table2Request, columns: list[Column]) -> Iterator[tuple[Column, int]]:
    """What there is to do, seed by seed; without a training all seeds are the same."""
    for column in columns:
        for seed in request.seeds if column.stages else (0,):
            yield column, seed


def _run(
    request: Table2Request, column: Column, seed: int, scenes: Scenes, question: dict[str, Any]
) -> ColumnResult:
    kept = request.out if seed == 0 else None
    if column.contours is not None:
        return evaluate_contours(column, scenes, question, kept)
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
    found = evaluate_network(column, model, scenes, held, question, request.device, kept)
    if not runs:
        return found
    before = fresh_model(DeepNCutsConfig.from_dict(runs[0].config))
    return replace(
        found,
        effective_rank_before=mean_effective_rank(before, held, request.device),
        effective_rank_after=mean_effective_rank(model, held, request.device),
    )


def _train(request: Table2Request, column: Column, seed: int) -> list[Run]:
    """The runs of a column's stages, as far as they are missing trained now."""
    runs: list[Run] = []
    for number, stage in enumerate(request.stages(column, seed), 1):
        kind = "frozen" if stage.frozen else "end-to-end"
        folder = request.out / "runs" / (column.runs or column.name) / f"seed{seed}"
        path = folder / f"{number}-{kind}"
        backbone = stage.architecture.backbone
        config = replace(
            stage,
            store=str(request.store),
            weights=_weights(backbone),
            start=str(runs[-1].path) if runs else None,
            cache=dict(request.features).get(column.runs or column.name) if stage.frozen else None,
            device=request.device,  # type: ignore[arg-type]
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
    """The pretrained weights; `tiny` has none."""
    return None if backbone == "tiny" else str(known_weights(backbone))


def _question(request: Table2Request, column: Column, seed: int) -> dict[str, Any]:
    """What a result answers; split and scenes are asked once of the folder."""
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


def _agree_on_question(request: Table2Request, scenes: Scenes) -> None:
    """All columns of a folder are evaluated on the same scenes."""
    question = {
        "store": scenes.dataset.attrs["digest"],
        "split": request.split,
        "images": len(scenes),
    }
    agree_on_question(request.out, question, "the table")
