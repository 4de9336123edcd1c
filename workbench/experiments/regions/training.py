"""Region classifiers from a store of regions: train one into a run, score regions with it."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal

from workbench.data import RegionParts, Regions
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.regions.scores import ErrorMonitor, RegionScores, score_regions
from workbench.evaluation.regions.summary import RecognitionSummary, summarise
from workbench.models.regions import RegionNetwork
from workbench.runs import Run
from workbench.training.building import fresh_region_model, trained_region_model
from workbench.training.devices import device_of
from workbench.training.region_config import RegionConfig
from workbench.training.region_parts import parts_of
from workbench.training.regions import RegionTask, opened_features
from workbench.training.run_folders import Began, train_into
from workbench.training.trainer import Trainer

Part = Literal["train", "held", "test"]
Watch = Callable[[int, Mapping[str, float]], None]
"""Is told a step and what was measured there."""
Prepared = tuple[RegionNetwork, RegionParts]
"""A network, and the regions to train it on and to watch."""


def train_regions(
    config: RegionConfig,
    path: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    began: Began | None = None,
) -> Run:
    """Train into a run folder; SIGINT and SIGTERM stop between two steps, with a checkpoint.

    `workbench.train` does it somewhere else, and comes back at once.

    Args:
        config: how; when resuming, the run's own must be the same but for the device.
        path: of the run folder.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.
        progress: whether a bar and the errors on held-out regions are printed.
        began: called with the run once it is there.

    Raises:
        PipelineError: there is no finished store of regions, or of features.
        WorkbenchError: the weights, the stores or the run folder are not what they should be, or
            the training diverged.
    """
    return train_into(
        path,
        config,
        _prepared,
        fit_regions,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
        began=began,
    )


def score_run(
    path: Path | str, part: Part = "test", *, store: str | None = None, device: str = "auto"
) -> RegionScores:
    """What a run's network says of one part of the regions.

    Args:
        path: of the run folder.
        part: of the split that the run's configuration makes.
        store: of regions; None: the one that the run trained on.
        device: "auto", "cpu" or "cuda".

    Raises:
        PipelineError, WorkbenchError: the run or a store is not there.
    """
    run = Run.open(path)
    config = RegionConfig.from_dict(run.config | ({"store": store} if store else {}))
    regions: Regions = getattr(parts_of(config), part)
    model = trained_region_model(run).to(device_of(device))
    return score_regions(model, regions, opened_features(config, regions))


def fit_regions(
    prepared: Prepared,
    config: RegionConfig,
    run: Run,
    resume: bool = False,
    progress: bool = True,
    *,
    watch: Watch | None = None,
) -> bool:
    """Train a network on one part, watched on another; see `train_regions`.

    Args:
        prepared: the network, fresh or to be overwritten from the run's checkpoint, and the
            regions to train on and to watch.
        config: how.
        run: where events and checkpoints go.
        resume: continue from the run's checkpoint.
        progress: whether it prints.
        watch: is told what was seen of the held-out regions before the first step and after every
            pass; what it raises ends the training.

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

        trainer = Trainer(task, config, run, monitor, progress=progress)
        if not resume and config.start is None:
            task.calibrate(trainer.fabric.device)
        return trainer.fit(resume)


def evaluate_regions(
    path: Path | str, part: Part = "test", *, store: str | None = None, device: str = "auto"
) -> RecognitionSummary:
    """Errors and calibration of a run's network on one part; also kept in the run.

    Arguments and errors as `score_run` has them.
    """
    scores = score_run(path, part, store=store, device=device)
    run = Run.open(path)
    names = Regions.open(store or run.config["store"], fields=("image",)).names
    outcomes = Outcomes.of_scores(
        scores.logits, scores.categories, scores.image_ids, scores.annotation_ids, names
    )
    with run.atomic_write(run.path / "evaluations" / f"{part}-outcomes.json") as file:
        file.write(json.dumps(outcomes.to_dict()).encode())
    return summarise([outcomes])


def _prepared(config: RegionConfig) -> Prepared:
    """Everything that can be wrong before there is a run."""
    parts = parts_of(config)
    opened_features(config, parts.train)
    return fresh_region_model(config), parts
