"""The loop: it learns, resumes exactly, stops between steps, and writes everything down."""

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status
from workbench.training.config import LoopConfig
from workbench.training.trainer import Diverged, MicroBatch, Trainer, make_fabric

CONFIG = LoopConfig(
    passes=3, batch=2, optimizer="adamw", learning_rate=0.05, weight_decay=0.0, device="cpu"
)


class Regression(nn.Module):
    """A regression with dropout, so that the random state matters."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.layers(x) - y).square().mean(), "twice": torch.tensor(2.0)}


class Toy:
    """Seven samples a pass: the last step of a pass has one only."""

    samples = 7

    def __init__(self, scale: float = 1.0, stop_at: int | None = None) -> None:
        self.network = Regression()
        self.scale, self.stop_at = scale, stop_at
        self.visits: list[int] = []

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        return (MicroBatch(self.inputs(visit), 1) for visit in visits)

    def inputs(self, visit: int) -> tuple[Tensor, ...]:
        self.visits.append(visit)
        if visit == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        x = torch.rand(4, 3, generator=torch.Generator().manual_seed(visit))
        return x * self.scale, x.sum(1, keepdim=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.network.parameters(), "lr": 0.05}]


def weights(task: Toy) -> Tensor:
    return torch.cat([p.detach().flatten() for p in task.network.parameters()])


def test_a_pass_sees_every_sample_once_and_the_loss_falls(tmp_path: Path) -> None:
    task, run = Toy(), Run.create(tmp_path / "run", {})
    assert Trainer(task, CONFIG, run).fit()
    assert task.visits == list(range(21))
    metrics = run.metrics()
    assert len(metrics) == 12
    assert metrics["loss"].iloc[-4:].mean() < metrics["loss"].iloc[:4].mean()
    assert (metrics["twice"] == 2).all()
    assert metrics["learning_rate"].iloc[-1] < 0.01 < metrics["learning_rate"].max()
    assert run.status is Status.FINISHED


@pytest.mark.parametrize("stop_at", [3, 8, 19])
def test_interrupted_and_resumed_equals_uninterrupted(stop_at: int, tmp_path: Path) -> None:
    whole = Toy()
    first = Run.create(tmp_path / "whole", {})
    Trainer(whole, CONFIG, first).fit()

    stopped, run = Toy(stop_at=stop_at), Run.create(tmp_path / "parts", {})
    assert not Trainer(stopped, CONFIG, run).fit()
    assert run.status is Status.INTERRUPTED
    rest = Toy()
    assert Trainer(rest, CONFIG, run).fit(resume=True)

    assert torch.equal(weights(rest), weights(whole))
    assert stopped.visits + rest.visits == whole.visits
    assert run.metrics().equals(first.metrics())


def test_looking_changes_nothing(tmp_path: Path) -> None:
    def look(step: int) -> dict[str, float]:
        torch.rand(5)
        assert not seen.network.training
        return {"seen": float(step)}

    blind, seen = Toy(), Toy()
    Trainer(blind, CONFIG, Run.create(tmp_path / "blind", {})).fit()
    run = Run.create(tmp_path / "seen", {})
    Trainer(seen, CONFIG, run, look).fit()
    assert torch.equal(weights(blind), weights(seen))
    assert run.metrics()["seen"].dropna().tolist() == [0, 4, 8, 12]


def test_divergence_is_named_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    class Explodes(Toy):
        def inputs(self, visit: int) -> tuple[Tensor, ...]:
            x, y = super().inputs(visit)
            return (x * torch.inf if visit == 9 else x), y

    run = Run.create(tmp_path / "run", {})
    with pytest.raises(Diverged, match="a finite loss"):
        Trainer(Explodes(), CONFIG, run).fit()
    again = Toy()
    assert Trainer(again, CONFIG, run).fit(resume=True)
    assert again.visits[0] == 7


def test_resume_without_a_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(WorkbenchError, match="--overwrite"):
        Trainer(Toy(), CONFIG, run).fit(resume=True)


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    (run.checkpoints / "latest.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(WorkbenchError, match="a readable checkpoint"):
        Trainer(Toy(), CONFIG, run).fit(resume=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_named() -> None:
    with pytest.raises(WorkbenchError, match="a CUDA device"):
        make_fabric("cuda")


@pytest.mark.parametrize("field", ["passes", "batch", "learning_rate", "clip"])
def test_configuration_refuses_what_cannot_be(field: str) -> None:
    with pytest.raises(WorkbenchError, match=f"a positive {field.replace('_', ' ')}"):
        LoopConfig(**{field: type(getattr(CONFIG, field))(0)})
