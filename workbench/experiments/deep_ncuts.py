"""DeepNCuts from a store of scenes: train it into a run, hold it against its untrained features."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.benchmark import MethodScores
from workbench.evaluation.monitor import CoveringMonitor
from workbench.evaluation.networks import CutConfig, look_at_scene
from workbench.evaluation.table import BenchmarkTable
from workbench.runs import Run
from workbench.training.building import fresh_model, trained_model, untrained_model
from workbench.training.config import DeepNCutsConfig
from workbench.training.deep_ncuts import SegmentationTask
from workbench.training.trainer import Trainer, make_fabric

SNAPSHOTS = 4
"""How many scenes of an evaluated split are kept whole, to look at."""


def train_deep_ncuts(
    config: DeepNCutsConfig, path: Path | str, *, resume: bool = False, overwrite: bool = False
) -> Run:
    """Train into a run folder; SIGINT and SIGTERM stop between two steps, with a checkpoint.

    Args:
        config: how; when resuming, the run's own must be the same but for the device.
        path: of the run folder.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.

    Raises:
        PipelineError: there is no finished store of scenes.
        WorkbenchError: the weights or the run folder are not what they should be, or the training
            diverged.
    """
    train, held = Scenes.open(config.store, "train").hold_out(config.holdout, config.seed)
    model = fresh_model(config)
    if resume:
        run = _run_to_resume(path, config)
    else:
        if overwrite and Path(path).exists():
            shutil.rmtree(Run.open(path).path)  # opened first: only a run is ever deleted
        run = Run.create(path, config.to_dict())
    with _failures_on_record(run):
        task = SegmentationTask(model, train, config)
        monitor = CoveringMonitor(model, held, run, cache=task.cache)
        Trainer(task, config, run, monitor).fit(resume)
    return run


def evaluate_deep_ncuts(
    path: Path | str,
    split: str,
    *,
    store: str | None = None,
    limit: int | None = None,
    untrained: bool = True,
    device: str = "auto",
    pool: CutConfig | None = None,
) -> BenchmarkTable:
    """Segment a split with a run's network and score it; the table is also kept in the run.

    Args:
        path: of the run folder.
        split: name of the split in the store.
        store: of scenes; None: the one that the run trained on.
        limit: only the first so many scenes.
        untrained: whether the NCuts of the backbone's own features stand beside it as the baseline.
        device: "auto", "cpu" or "cuda".
        pool: how scenes are cut; default: as is usual for each network (`networks.usual_cut`).

    Raises:
        PipelineError, WorkbenchError: the run, the store or the split are not there, or the
            pretrained weights of the baseline have gone.
    """
    run = Run.open(path)
    config = DeepNCutsConfig.from_dict(run.config)
    scenes = Scenes.open(store or config.store, split).first(limit)
    models = {"untrained": untrained_model(config)} if untrained else {}
    models["trained"] = trained_model(run)
    step = run.step
    methods = []
    with tqdm(total=len(models) * len(scenes), desc=f"evaluating {split}", unit="scene") as bar:
        for method, model in models.items():
            scores = {}
            model.to(make_fabric(device).device).eval()
            for i, scene in enumerate(scenes):
                scores[scene.id], snapshot = look_at_scene(model, scene, pool)
                if i < SNAPSHOTS:
                    run.snapshot(step, f"{split}-{method}-{scene.id}", snapshot)
                bar.update()
            methods.append(MethodScores(method, scores))
    table = BenchmarkTable(tuple(methods))
    with run.atomic_write(run.path / "evaluations" / f"{split}.json") as file:
        file.write(json.dumps(table.to_dict()).encode())
    return table


def _run_to_resume(path: Path | str, config: DeepNCutsConfig) -> Run:
    run = Run.open(path)
    before = DeepNCutsConfig.from_dict(run.config)
    if replace(before, device=config.device) != config:
        now, then = config.to_dict(), before.to_dict()
        changed = ", ".join(k for k in now if now[k] != then[k] and k != "device")
        raise WorkbenchError(
            f"the configuration of {path}, to resume it",
            f"another {changed}",
            "resume with the same options, or train into another run folder",
        )
    return run


@contextmanager
def _failures_on_record(run: Run) -> Iterator[None]:
    """A run that dies says of what."""
    try:
        yield
    except BaseException as error:
        run.append("failed", None, error=f"{type(error).__name__}: {error}")
        raise
