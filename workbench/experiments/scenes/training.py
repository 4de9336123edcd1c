"""DeepNCuts on a store of scenes: training into a run, comparison with untrained features."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from workbench.data import Scenes
from workbench.evaluation.scenes.monitor import CoveringMonitor
from workbench.evaluation.scenes.scores import MethodScores
from workbench.evaluation.scenes.snapshots import look_at_scene
from workbench.evaluation.scenes.table import BenchmarkTable
from workbench.experiments.other_store import ALL
from workbench.models import DeepNCuts
from workbench.probe.capture import named_layers
from workbench.probe.geometry.live import LiveGeometry
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.segmentation import CutConfig
from workbench.training.building import fresh_model, trained_model
from workbench.training.devices import device_of
from workbench.training.devices import threads as using_threads
from workbench.training.run_folders import train_into
from workbench.training.scenes.config import DeepNCutsConfig
from workbench.training.scenes.task import SegmentationTask
from workbench.training.trainer import Trainer
from workbench.training.training_data import record_data

SNAPSHOTS = 4
"""Number of scenes of an evaluated split whose snapshots are kept."""


Prepared = tuple[DeepNCuts, Scenes, Scenes]
"""Network, scenes to train on, and held-out scenes."""


def _prepared(config: DeepNCutsConfig) -> Prepared:
    """Network and scenes of a training; errors of a configuration appear here, before the run."""
    train, held = Scenes.open(config.store, "train").hold_out(config.holdout, config.seed)
    model = fresh_model(config)
    if config.geometry:
        named_layers(model, config.geometry)
    return model, train, held


def _fit(
    prepared: Prepared, config: DeepNCutsConfig, run: Run, resume: bool, progress: bool
) -> None:
    model, train, held = prepared
    task = SegmentationTask(model, train, config)
    monitor = CoveringMonitor(model, held, run, cache=task.cache)
    geometry = partial(_geometry, model, train, config.geometry_samples)
    trainer = Trainer(task, config, run, monitor, geometry=geometry, progress=progress)
    monitor.stopping = trainer.asked_to_stop
    if not resume:
        record_data(run, train.dataset.attrs)
    trainer.fit(resume)


def _geometry(
    model: DeepNCuts, scenes: Scenes, samples: int, layers: Sequence[str]
) -> LiveGeometry:
    """Geometry of layers on the first training scenes, without augmentation."""
    images = middles([scene.image for scene in scenes.first(samples)])
    return LiveGeometry(model, layers, images, batch=1, forward=lambda batch: model(batch[0]))


def middles(images: Sequence[Float[Tensor, "_ _ _"]]) -> Float[Tensor, "images _ _ _"]:
    """Middle parts of images, of the size that all have in common.

    Args:
        images: (channels, height, width) each, of any sizes.
    """
    height, width = (min(image.shape[axis] for image in images) for axis in (1, 2))
    parts = []
    for image in images:
        top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
        parts.append(image[:, top : top + height, left : left + width])
    return torch.stack(parts)


train_deep_ncuts = partial(train_into, _prepared, _fit)
"""Train a DeepNCuts: `train_deep_ncuts(config, path, …)`, see `train_into`."""


def untrained_model(config: DeepNCutsConfig) -> DeepNCuts:
    """Baseline of the paper's table: normalized cuts on the deepest tap's own features."""
    architecture = replace(
        config.architecture, head="none", taps=config.architecture.taps[-1:], learn_coupling=False
    )
    return fresh_model(replace(config, architecture=architecture, start=None))


def evaluate_deep_ncuts(
    path: Path | str,
    split: str,
    *,
    store: str | None = None,
    limit: int | None = None,
    untrained: bool = True,
    device: str = "auto",
    threads: int | None = None,
    pool: CutConfig | None = None,
) -> BenchmarkTable:
    """Segment a split with a run's network and score it; the table is also written into the run.

    Args:
        path: path of the run folder.
        split: name of the split in the store; "all": every split.
        store: present path of the store that the run trained on; None: the path that it had.
        limit: number of scenes, from the first; None: all.
        untrained: whether NCuts on the backbone's own features are added as the baseline.
        device: "auto", "cpu" or "cuda".
        threads: number of torch's threads on the CPU; None: torch's own choice.
        pool: how scenes are cut; default: as usual for each network's prediction (`usual_cut`).

    Raises:
        PipelineError, WorkbenchError: the run, the store, the split or the pretrained weights of
            the baseline do not exist.
    """
    run = Run.open(path)
    config = DeepNCutsConfig.from_dict(run.config)
    chosen = None if split == ALL else split
    scenes = Scenes.open(store or config.store, chosen).annotated().first(limit)
    models = {"untrained": untrained_model(config)} if untrained else {}
    models["trained"] = trained_model(run, DeepNCutsConfig)
    step = run.step
    methods = []
    with (
        using_threads(threads),
        tqdm(total=len(models) * len(scenes), desc=f"evaluating {split}", unit="scene") as bar,
    ):
        for method, model in models.items():
            scores = {}
            model.to(device_of(device)).eval()
            for i, scene in enumerate(scenes):
                scores[scene.id], snapshot = look_at_scene(model, scene, pool)
                if i < SNAPSHOTS:
                    run.snapshot(step, f"{split}-{method}-{scene.id}", snapshot.to_arrays())
                bar.update()
            methods.append(MethodScores(method, scores))
    table = BenchmarkTable(tuple(methods))
    with atomic_write(run.path / "evaluations" / f"{split}.json") as file:
        file.write(json.dumps(table.to_dict()).encode())
    return table
