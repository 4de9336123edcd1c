"""Trajectories of rank and covering, from finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from workbench.data import Scene, Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.ranks import Trajectory
from workbench.evaluation.scenes.snapshots import look_at_scene
from workbench.models import DeepNCuts
from workbench.runs import Run
from workbench.training.building import fresh_model, trained_model
from workbench.training.scenes.config import DeepNCutsConfig

WATCHED = ("effective_rank_held_out", "covering_best", "covering_average")


def follow_ranks(paths: Sequence[Path | str]) -> list[Trajectory]:
    """Trajectories of runs; the scenes that they held out are segmented again.

    Args:
        paths: paths of run folders.

    Raises:
        WorkbenchError: a run held nothing out, was not watched, or has no checkpoint.
        PipelineError: a run's store does not exist.
    """
    return [_follow(Run.open(path)) for path in paths]


def _follow(run: Run) -> Trajectory:
    config, metrics = DeepNCutsConfig.from_dict(run.config), run.metrics()
    if not set(WATCHED) <= set(metrics):
        raise WorkbenchError(
            f"a run that watched rank and covering in {run.path}",
            "no scenes held out" if config.holdout == 0 else "neither of them on record",
            "train it with --holdout 20",
        )
    _, held = Scenes.open(config.store, "train").hold_out(config.holdout, config.seed)
    fresh, trained = fresh_model(config).eval(), trained_model(run, DeepNCutsConfig)
    changes = [
        _seen(trained, scene) - _seen(fresh, scene)
        for scene in tqdm(held, desc=run.path.name, unit="scene")
    ]
    passes = metrics[list(WATCHED)].dropna().to_numpy()
    return Trajectory(run.path.name, _objective(run.config), passes, np.stack(changes))


def _seen(model: DeepNCuts, scene: Scene) -> Float[np.ndarray, "3"]:
    scores, snapshot = look_at_scene(model, scene)
    return np.array([snapshot.effective_rank, scores.best, scores.average])


def _objective(config: dict[str, Any]) -> str:
    name = str(config["objective"]).upper()
    return f"{name}, Λ learned" if config["architecture"]["learn_coupling"] else name
