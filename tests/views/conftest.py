"""A run as a training and an evaluation leave it, with scenes of two textures, in miniature."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.data import Scene
from workbench.evaluation import BenchmarkTable, MethodScores, PoolScores
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.scenes.snapshots import Snapshot, look_at_scene
from workbench.models import ArchitectureConfig, DeepNCuts
from workbench.models.regions import RegionArchitecture
from workbench.runs import Run
from workbench.runs.plain import plain
from workbench.training.regions.config import RegionConfig
from workbench.training.scenes.config import DeepNCutsConfig

HEIGHT, WIDTH = 48, 64
SCENES = ("a", "b")
ARCHITECTURE = ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0)


def draw_scene(id: str) -> Scene:
    """Left noise, right stripes; the second annotator halves the left one."""
    rng = np.random.default_rng(ord(id))
    pixels = rng.integers(0, 120, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    pixels[:, WIDTH // 2 :] = 40 + 150 * (np.arange(HEIGHT)[:, None, None] // 3 % 2)
    truth = np.ones((HEIGHT, WIDTH), np.int64)
    truth[:, WIDTH // 2 :] = 2
    finer = truth.copy()
    finer[: HEIGHT // 2, : WIDTH // 2] = 3
    return Scene(id, pixels, torch.from_numpy(np.stack([truth, finer])))


@cache
def look(id: str, seed: int) -> tuple[PoolScores, Snapshot]:
    """At the scene of that name, with the random network of that seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = DeepNCuts(ARCHITECTURE).eval()
    return look_at_scene(model, draw_scene(id))


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    return look("a", 0)[1]


@pytest.fixture(scope="session")
def other_snapshot() -> Snapshot:
    return look("a", 1)[1]


@pytest.fixture(scope="session")
def table() -> BenchmarkTable:
    scores = {
        method: {id: look(id, seed)[0] for id in SCENES}
        for seed, method in enumerate(("untrained", "trained"))
    }
    return BenchmarkTable(tuple(MethodScores(name, found) for name, found in scores.items()))


@pytest.fixture
def started_run(tmp_path: Path) -> Run:
    """Before its first step."""
    config = DeepNCutsConfig(store="scenes.zarr", architecture=ARCHITECTURE, passes=2)
    return Run.create(tmp_path / "run", config.to_dict())


@pytest.fixture
def trained_run(started_run: Run, snapshot: Snapshot, other_snapshot: Snapshot) -> Run:
    """Two passes of two steps, without an evaluation."""
    for step in range(5):
        if step:
            started_run.log(step, loss=10.0 - step, alignment=0.1 * step, rank=20, condition=9.0)
        if step % 2 == 0:
            started_run.log(
                step,
                covering_best=0.5,
                covering_average=0.4,
                rank_held_out=20,
                effective_rank_held_out=9.5,
            )
            seen = snapshot if step < 4 else other_snapshot
            started_run.snapshot(step, "watched", seen.to_arrays())
    started_run.append("finished", 4)
    return started_run


@pytest.fixture
def evaluate(table: BenchmarkTable) -> Callable[[Run, tuple[str, ...]], None]:
    """Puts into a run what `workbench evaluate` does, for the methods asked for."""

    def put(run: Run, methods: tuple[str, ...]) -> None:
        kept = BenchmarkTable(tuple(m for m in table.methods if m.method in methods))
        for seed, method in enumerate(methods):
            for id in SCENES:
                run.snapshot(4, f"test-{method}-{id}", look(id, seed)[1].to_arrays())
        folder = run.path / "evaluations"
        folder.mkdir()
        (folder / "test.json").write_text(json.dumps(kept.to_dict()))

    return put


@pytest.fixture
def region_run(tmp_path: Path) -> Run:
    """A region classifier after two steps, without an evaluation."""
    shape = RegionArchitecture(backbone="tiny", tap="relu3", classes=3)
    config = RegionConfig(store="regions.zarr", architecture=shape, passes=2, batch=4)
    run = Run.create(tmp_path / "regions", config.to_dict())
    for step in (1, 2):
        run.log(step, loss=2.0 - step / 4, error=0.5, effective_rank=9.0, condition=1e4)
        run.log(step, held_out_error=0.75, held_out_loss=2.0)
    run.append("finished", 2)
    return run


@pytest.fixture
def evaluate_regions() -> Callable[[Run, str], None]:
    """Puts into a run of regions what `workbench evaluate` does: 12 regions in four images."""

    def put(run: Run, part: str) -> None:
        labels = np.arange(12) % 3
        scores = np.random.default_rng(0).normal(size=(12, 3)) + 2 * np.eye(3)[labels]
        names = ("zebra", "cat <tame>", "tree")
        found = Outcomes.of_scores(scores, labels, np.arange(12) // 3, np.arange(12), names)
        folder = run.path / "evaluations"
        folder.mkdir(exist_ok=True)
        (folder / f"{part}-outcomes.json").write_text(json.dumps(plain(found)))

    return put
