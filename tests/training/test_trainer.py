"""The loop: it learns, resumes exactly, stops between steps, and writes everything down."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.probe.geometry.live import LiveGeometry
from workbench.runs import Control, Run, Status
from workbench.training.config import LoopConfig
from workbench.training.trainer import Diverged, MicroBatch, Trainer, make_fabric
from workbench.widgets.monitor.words import answer_text

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


def measured(task: Toy, run: Run, resume: bool = False, layers: tuple[str, ...] = ()) -> Run:
    """Train with the geometry of layers, on six samples, every four steps."""
    x = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))

    def geometry(layers: Sequence[str]) -> LiveGeometry:
        return LiveGeometry(task.network.layers, layers, x, every=4)

    Trainer(task, replace(CONFIG, geometry=layers), run, geometry=geometry).fit(resume)
    return run


def test_geometry_lasts_through_an_interruption_and_changes_nothing(tmp_path: Path) -> None:
    blind, seen = Toy(), Toy()
    Trainer(blind, CONFIG, Run.create(tmp_path / "blind", {})).fit()
    layers = ("0", "2")
    whole = measured(seen, Run.create(tmp_path / "whole", {}), layers=layers).metrics()
    assert torch.equal(weights(blind), weights(seen)), "dropout is drawn as without a measurement"
    dimension = whole["0 stable dimension"].dropna()
    assert dimension.index.tolist() == [0, 4, 8, 12]
    assert (dimension > 0.6).all()
    run = measured(Toy(stop_at=11), Run.create(tmp_path / "parts", {}), layers=layers)
    measured(Toy(), run, resume=True, layers=layers)
    assert run.events("resumed")
    same = [name for name in whole if name != "geometry seconds"]
    again = run.metrics()[same]
    assert again.drop(index=7).equals(whole[same].drop(index=7))
    assert again.loc[7, "0 stable dimension"] > 0.6, "measured where it went on"


def test_a_command_chooses_the_layers_whose_geometry_is_measured(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})

    class Commanded(Toy):
        def inputs(self, visit: int) -> tuple[Tensor, ...]:
            if visit in (3, 9):  # in the second and in the fifth step
                Control(run).geometry({3: "2", 9: "none"}[visit])
            return super().inputs(visit)

    measured(Commanded(stop_at=15), run)
    assert run.metrics()["2 stable dimension"].dropna().index.tolist() == [2, 4, 8]
    right, wrong = run.events("control")
    assert (right.step, right.fields["layers"], right.fields["error"]) == (2, ["2"], "")
    assert "a layer of Sequential" in wrong.fields["error"]
    assert answer_text(right) == "From step 2 on the geometry of 2 is measured."
    assert answer_text(wrong).startswith("The geometry is measured as before: expected a layer")
    measured(Toy(), run, resume=True)
    assert run.metrics()["2 stable dimension"].dropna().index.tolist() == [2, 4, 8, 9, 12]


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
