"""Region classifiers from a store of regions: train one into a run, score regions with it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from workbench.data import RegionParts, Regions, Schedule, batches_of, region_reader
from workbench.errors import WorkbenchError
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.regions.scores import ErrorMonitor, RegionScores, score_regions
from workbench.evaluation.regions.summary import RecognitionSummary, summarise
from workbench.experiments.other_store import ALL
from workbench.models.regions import RegionNetwork
from workbench.probe.capture import named_layers
from workbench.probe.geometry.live import LiveGeometry
from workbench.runs import Run
from workbench.runs.files import atomic_write, to_json
from workbench.runs.finding import is_store, resolved_path
from workbench.runs.plain import plain
from workbench.training.building import fresh_model, trained_model
from workbench.training.devices import device_of
from workbench.training.devices import threads as using_threads
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of
from workbench.training.regions.task import RegionTask, opened_features
from workbench.training.run_folders import train_into
from workbench.training.trainer import Trainer
from workbench.training.training_data import record_data

PARTS = ("train", "held", "test", ALL)
"""Names of the parts of a run's regions, see `data.region_split`, and of all together."""
Watch = Callable[[int, Mapping[str, float]], None]
"""Function that is called with a step and the values measured there."""
Prepared = tuple[RegionNetwork, RegionParts]
"""Network, and the regions to train it on and to measure its error on."""


def score_run(
    path: Path | str,
    part: str = "test",
    *,
    store: str | None = None,
    cache: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> RegionScores:
    """Scores of one part of the regions by a run's network.

    Args:
        path: path of the run folder.
        part: part of the regions under the run's configuration: train, held, test or all.
        store: present path of the store that the run trained on; None: the path that it had.
        cache: store of the frozen backbone's features; None: the one of the training, if it is
            still there; otherwise they are computed.
        device: "auto", "cpu" or "cuda".
        threads: number of torch's threads on the CPU; None: as `LoopConfig` chooses.

    Raises:
        PipelineError, WorkbenchError: the run or a store is not there, or there is no such part.
    """
    run = Run.open(path)
    if part not in PARTS:
        raise WorkbenchError(
            f"a part out of {', '.join(PARTS)} of the regions", repr(part), "correct --split"
        )
    config = RegionConfig.from_dict(run.config | ({"store": store} if store else {}))
    if cache is None and config.cache is not None:
        there = resolved_path(run, config.cache)
        cache = str(there) if is_store(there) else None
    config = replace(config, cache=cache, threads=threads)
    parts = parts_of(config)
    regions: Regions = parts.whole if part == ALL else getattr(parts, part)
    model = trained_model(run, RegionConfig).to(device_of(device))
    with using_threads(config.threads_chosen):
        return score_regions(model, regions, opened_features(config, regions, mirrored=False))


def fit_regions(
    prepared: Prepared,
    config: RegionConfig,
    run: Run,
    resume: bool = False,
    progress: bool = True,
    *,
    watch: Watch | None = None,
) -> bool:
    """Train a network on one part, measuring its error on another; see `train_regions`.

    Args:
        prepared: the network, which a resumed run's checkpoint overwrites, and the regions to
            train on and to measure.
        config: configuration of the training.
        run: run that gets events and checkpoints.
        resume: continue from the run's checkpoint.
        progress: whether progress is printed.
        watch: called with the values measured on the held-out regions before the first step and
            after every pass; an exception from it ends the training.

    Returns:
        Whether the end was reached; False after SIGINT or SIGTERM.
    """
    model, parts = prepared
    with closing(RegionTask(model, parts.train, config)) as task:
        look = ErrorMonitor(model, parts.held, task.features)

        def monitor(step: int) -> dict[str, float]:
            seen = look(step)
            if watch is not None:
                watch(step, seen)
            return seen

        geometry = partial(_geometry, task)
        trainer = Trainer(task, config, run, monitor, geometry=geometry, progress=progress)
        if not resume:
            record_data(run, parts.train.table.attrs)
        if not resume and config.start is None:
            task.calibrate(trainer.fabric.device)
        return trainer.fit(resume)


def _geometry(task: RegionTask, layers: Sequence[str]) -> LiveGeometry:
    """Geometry of layers on some training regions, chosen at random and not augmented."""
    config, model = task.config, task.model
    count = min(config.geometry_samples, len(task.regions))
    chosen = task.regions.select(Schedule(len(task.regions), count, config.seed).indices(0, 0))
    schedule = Schedule(count, count, shuffle=False)
    (batch,) = batches_of(region_reader(chosen, schedule, features=task.features))
    masks = [] if batch.masks is None else [batch.masks]

    def forward(part: Sequence[Tensor]) -> object:
        return model.classify(task.network.maps(part[0]), part[1] if masks else None)

    return LiveGeometry(model, layers, [batch.seen, *masks], forward=forward)


def evaluate_regions(
    path: Path | str,
    split: str = "test",
    *,
    store: str | None = None,
    cache: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> RecognitionSummary:
    """Errors and calibration of a run's network on one part of the regions of its own store.

    The outcomes are also kept in the run. Arguments and errors as in `score_run`.
    """
    scores = score_run(path, split, store=store, cache=cache, device=device, threads=threads)
    run = Run.open(path)
    names = Regions.open(store or run.config["store"], fields=("image",)).names
    outcomes = Outcomes.of_scores(
        scores.logits, scores.categories, scores.image_ids, scores.annotation_ids, names
    )
    with atomic_write(run.path / "evaluations" / f"{split}-outcomes.json") as file:
        file.write(to_json(plain(outcomes)).encode())
    return summarise([outcomes])


def _prepared(config: RegionConfig) -> Prepared:
    """Network and regions of a training; errors of a configuration appear here, before the run."""
    parts = parts_of(config)
    opened_features(config, parts.train)
    model = fresh_model(config)
    if config.geometry:
        named_layers(model, config.geometry)
    return model, parts


train_regions = partial(train_into, _prepared, fit_regions)
"""Train a region classifier: `train_regions(config, path, …)`, see `train_into`."""
