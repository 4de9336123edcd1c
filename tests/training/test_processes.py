"""Several processes take the step that one takes, stop together, and leave nothing behind."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status
from workbench.training.config import LoopConfig
from workbench.training.processes import place, ranks
from workbench.training.trainer import MicroBatch, Trainer

CONFIG = LoopConfig(
    passes=2, batch=4, optimizer="sgd", learning_rate=0.05, weight_decay=0.0, device="cpu"
)
SHARED = replace(CONFIG, processes=2)


class Regression(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.layers(x) - y).square().mean(), "size": torch.tensor(float(len(x)))}


class Toy:
    """Nine samples a pass: the last step has one for two processes, so that one has none."""

    samples = 9

    def __init__(self, seen: Path | None = None, fail_at: int = -1, stop_at: int = -1) -> None:
        self.network = Regression()
        self.seen, self.fail_at, self.stop_at = seen, fail_at, stop_at

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        for visit in visits:
            if self.seen is not None:
                with self.seen.open("a") as file:
                    file.write(f"{place()[0]}:{visit}\n")
            if visit == self.fail_at:
                raise WorkbenchError("a sample", f"none at {visit}", "look for it")
            if visit == self.stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            x = torch.rand(2, 3, generator=torch.Generator().manual_seed(visit))
            yield MicroBatch((x, x.sum(1, keepdim=True)), 1)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.network.parameters(), "lr": 0.05}]


def fit(path: Path, config: LoopConfig, *, resume: bool = False, **toy: Any) -> None:
    Trainer(Toy(**toy), config, Run.open(path)).fit(resume)


def train(path: Path, config: LoopConfig, **options: Any) -> Run:
    run = Run.open(path) if options.get("resume") else Run.create(path, {})
    work = partial(fit, path, config, **options)
    with ranks(config.processes, config.device, work):
        work()
    return run


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = set(multiprocessing.active_children())  # other tests' clusters may live on
    yield
    assert set(multiprocessing.active_children()) <= before
    assert place() == (0, 1)


def test_two_processes_have_the_loss_of_one(tmp_path: Path) -> None:
    one = train(tmp_path / "one", CONFIG).metrics()
    run = train(tmp_path / "two", SHARED, seen=tmp_path / "seen")
    assert run.status is Status.FINISHED
    two = run.metrics()
    assert list(two.columns) == list(one.columns)
    assert two.to_numpy() == pytest.approx(one.to_numpy(), rel=1e-6)
    seen = (tmp_path / "seen").read_text().split()
    assert {v for v in seen if v.startswith("0:")} == {f"0:{v}" for v in (0, 2, 4, 6, 8)} | {
        f"0:{v}" for v in (9, 11, 13, 15, 17)
    }
    # A rank without a visit of its own goes along with one that counts nothing.
    assert {"1:8", "1:17"} <= set(seen)
    kinds = [event.kind for event in run.events() if event.kind != "vitals"]
    assert kinds == ["started", "plan", *["metrics"] * 6, "finished"]


@pytest.mark.parametrize("stop_at", [4, 5])
def test_a_signal_to_any_process_stops_all_at_one_step(stop_at: int, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", CONFIG).metrics()
    run = train(tmp_path / "parts", SHARED, stop_at=stop_at)
    assert run.status is Status.INTERRUPTED
    assert run.step == 2
    train(tmp_path / "parts", SHARED, resume=True)
    assert run.status is Status.FINISHED
    assert run.metrics().to_numpy() == pytest.approx(whole.to_numpy(), rel=1e-6)


@pytest.mark.parametrize("fail_at", [4, 5])
def test_an_error_of_any_process_is_the_callers(fail_at: int, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=f"none at {fail_at}"):
        train(tmp_path / "run", SHARED, fail_at=fail_at)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="2 processes can share evenly, found 3"):
        LoopConfig(batch=3, processes=2)


@pytest.mark.skipif(torch.cuda.device_count() > 1, reason="there are several CUDA devices")
def test_more_processes_than_devices_are_refused() -> None:
    with (
        pytest.raises(WorkbenchError, match="2 CUDA devices for as many processes"),
        ranks(2, "cuda", print),
    ):
        pass
