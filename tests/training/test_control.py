"""Orders to a training that goes on: each is honoured, answered, and leaves the run exact."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.runs import Control, Run, Status
from workbench.runs.control import COMMANDS, ControlState, Inbox, control_state
from workbench.training.checkpoints import LATEST, load_checkpoint
from workbench.training.config import LoopConfig
from workbench.training.processes import ranks
from workbench.training.trainer import LookAbandoned, MicroBatch, Trainer

CONFIG = LoopConfig(
    passes=3, batch=2, optimizer="adamw", learning_rate=0.05, weight_decay=0.0, device="cpu"
)
SHARED = replace(CONFIG, processes=2)
LIMIT = 60.0
"""Seconds after which a test that waits has failed."""

Deed = Callable[[Run], object]


class Regression(nn.Module):
    """With dropout, so that the random state matters."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.layers(x) - y).square().mean()}


class Toy:
    """Eight samples, four steps a pass; commands are given while a visit's sample is made."""

    samples = 8

    def __init__(self, run: Run, deeds: dict[int, Deed] | None = None) -> None:
        self.network = Regression()
        self.run, self.deeds = run, deeds or {}
        self.visits: list[int] = []

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        for visit in visits:
            self.visits.append(visit)
            if visit in self.deeds:
                self.deeds[visit](self.run)
            x = torch.rand(4, 3, generator=torch.Generator().manual_seed(visit))
            yield MicroBatch((x, x.sum(1, keepdim=True)), 1)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.network.parameters(), "lr": 0.05}]


def trained(run: Run, deeds: dict[int, Deed] | None = None, resume: bool = False) -> Toy:
    task = Toy(run, deeds)
    Trainer(task, CONFIG, run, progress=False).fit(resume)
    return task


def weights(task: Toy) -> Tensor:
    return torch.cat([p.detach().flatten() for p in task.network.parameters()])


def answers(run: Run) -> list[tuple[str, int | None]]:
    return [(event.fields["command"], event.step) for event in run.events("control")]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def stop(run: Run) -> None:
    Control(run).stop()


def test_a_stop_falls_after_the_step_and_resumes_exactly(run: Run, tmp_path: Path) -> None:
    whole = trained(Run.create(tmp_path / "whole", {}))
    stopped = trained(run, {5: stop})  # in the third step
    assert (run.status, run.step) == (Status.INTERRUPTED, 3)
    assert answers(run) == [("stop", 3)]
    rest = trained(run, resume=True)
    assert run.status is Status.FINISHED
    assert torch.equal(weights(rest), weights(whole))
    assert stopped.visits + rest.visits == whole.visits
    assert run.metrics().equals(Run.open(tmp_path / "whole").metrics())


def test_a_stop_before_the_first_step_leaves_a_checkpoint(run: Run, tmp_path: Path) -> None:
    stop(run)
    assert trained(run).visits == []
    assert (run.status, run.step) == (Status.INTERRUPTED, 0)
    whole = trained(Run.create(tmp_path / "whole", {}))
    assert torch.equal(weights(trained(run, resume=True)), weights(whole))


@pytest.mark.parametrize(("first", "before"), [(0, []), (4, [0]), (12, [0, 4, 8])])
def test_a_look_is_broken_off_by_a_stop_and_taken_again(
    first: int, before: list[int], run: Run, tmp_path: Path
) -> None:
    stop_at = first
    looks: list[int] = []

    def fit(run: Run, resume: bool = False) -> Toy:
        task = Toy(run)

        def look(step: int) -> dict[str, float]:
            looks.append(step)
            if step == stop_at:
                stop(run)
            if trainer.asked_to_stop():
                raise LookAbandoned
            return {"seen": float(torch.rand(1) < 2) * step}

        trainer = Trainer(task, CONFIG, run, look, progress=False)
        trainer.fit(resume)
        return task

    fit(run)
    assert (run.status, run.step, looks) == (Status.INTERRUPTED, first, [*before, first])
    assert first not in run.metrics().get("seen", pd.Series(dtype=float)).dropna()
    stop_at = -1
    rest = fit(run, resume=True)
    whole = Run.create(tmp_path / "whole", {})
    assert torch.equal(weights(rest), weights(fit(whole)))
    assert run.metrics().equals(whole.metrics())


def test_save_writes_a_checkpoint_of_the_step(run: Run) -> None:
    seen: list[int] = []

    def look(run: Run) -> None:
        seen.append(load_checkpoint(run)["step"])

    trained(run, {5: lambda run: Control(run).save(), 6: look})
    assert seen == [3]
    assert answers(run) == [("save", 3)]
    assert run.status is Status.FINISHED


def test_the_rate_is_a_factor_of_the_schedule_and_survives_a_resumption(
    run: Run, tmp_path: Path
) -> None:
    def halve(run: Run) -> None:
        Control(run).rate(0.5)

    plain = Run.create(tmp_path / "plain", {})
    trained(plain)
    whole = Run.create(tmp_path / "whole", {})
    changed = trained(whole, {5: halve})
    ratio = whole.metrics()["learning_rate"] / plain.metrics()["learning_rate"]
    assert ratio.iloc[:3].tolist() == [1, 1, 1]
    assert ratio.iloc[3:-1].to_numpy() == pytest.approx(0.5)
    assert answers(whole) == [("rate", 3)]

    trained(run, {5: halve, 13: stop})
    rest = trained(run, resume=True)
    assert torch.equal(weights(rest), weights(changed))
    assert run.metrics().equals(whole.metrics())
    assert control_state(run.events("control"), run.stretch) == ControlState(False, 0.5)


def test_a_rate_given_at_a_checkpoints_own_step_is_in_the_checkpoint(run: Run) -> None:
    def at_the_last_visit_of_a_pass(run: Run) -> None:
        Control(run).rate(0.25)

    def look(run: Run) -> None:
        seen.append(load_checkpoint(run))

    seen: list[dict[str, Any]] = []
    trained(run, {7: at_the_last_visit_of_a_pass, 8: look})
    assert [(state["step"], state["factor"]) for state in seen] == [(4, 0.25)]


def test_a_checkpoint_from_before_there_were_commands_resumes(run: Run) -> None:
    trained(run, {5: stop})
    state = load_checkpoint(run)
    del state["factor"]
    torch.save(state, run.checkpoints / LATEST)
    trained(run, resume=True)
    assert run.status is Status.FINISHED


def test_a_paused_training_waits_saves_and_goes_on_exactly(run: Run, tmp_path: Path) -> None:
    whole = trained(Run.create(tmp_path / "whole", {}))
    found: list[Toy] = []
    thread = threading.Thread(
        target=lambda: found.append(trained(run, {5: lambda run: Control(run).pause()}))
    )
    thread.start()
    control = Control(run.path)
    try:
        until(lambda: ("pause", 3) in answers(run))
        assert control_state(run.events("control"), run.stretch).paused
        asked = control.save()
        until(lambda: control.answer(asked) is not None)
        assert load_checkpoint(run)["step"] == 3
        factor = control.rate(2.0)
        until(lambda: control.answer(factor) is not None)
        assert load_checkpoint(run)["factor"] == 2.0  # of a step that has a checkpoint
        control.rate(1.0)
        assert run.step == 3
        assert run.status is Status.RUNNING
    finally:
        control.resume()
        thread.join(LIMIT)
    assert not thread.is_alive()
    assert torch.equal(weights(found[0]), weights(whole))
    assert not control_state(run.events("control"), run.stretch).paused


def test_a_paused_training_can_be_stopped(run: Run) -> None:
    def pause_then_stop(run: Run) -> None:
        Control(run).pause()
        Control(run).stop()

    trained(run, {2: pause_then_stop})
    assert answers(run) == [("pause", 2), ("stop", 2)]
    assert run.status is Status.INTERRUPTED
    trained(run, resume=True)  # the pause ended with it
    assert run.status is Status.FINISHED


def test_commands_of_an_earlier_stretch_are_not_obeyed(run: Run) -> None:
    trained(run, {5: stop})
    earlier = (run.path / COMMANDS).read_bytes()
    with (run.path / COMMANDS).open("ab") as file:
        file.write(earlier)  # a stop that came too late to be read
    trained(run, resume=True)
    assert run.status is Status.FINISHED
    assert answers(run) == [("stop", 3)]


def test_torn_and_foreign_lines_are_passed_over(run: Run) -> None:
    inbox = Inbox(run)
    assert inbox.take() == []
    path = run.path / COMMANDS
    path.write_bytes(b'{"id": "1", "stretch": 1, "name": "st')  # a writer died here
    assert inbox.take() == []
    given = Control(run).pause()
    with path.open("ab") as file:
        file.write(b'[1]\n{"id": "x", "stretch": 1, "name": "explode", "value": 1}\n{"id": "2", "s')
    assert inbox.take() == [given]
    with path.open("ab") as file:
        file.write(b'tretch": 1, "name": "stop", "value": 1}\n')
    assert [command.id for command in inbox.take()] == ["2"]
    assert inbox.take() == []


def give(path: Path, count: int) -> None:
    control = Control(path)
    for _ in range(count):
        control.save()


def test_of_several_writers_no_command_is_lost(run: Run) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=give, args=(run.path, 50)) for _ in range(2)]
    threads = [threading.Thread(target=give, args=(run.path, 50)) for _ in range(2)]
    try:
        for writer in (*writers, *threads):
            writer.start()
        for writer in (*writers, *threads):
            writer.join(LIMIT)
    finally:
        for writer in writers:
            writer.kill()
            writer.join()
    found = Inbox(run).take()
    assert len({command.id for command in found}) == 200


def test_nothing_is_ordered_where_nothing_goes_on(run: Run) -> None:
    trained(run)
    with pytest.raises(WorkbenchError, match=r"a running training .* one that is finished"):
        Control(run).stop()
    assert not (run.path / COMMANDS).exists()


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(factor: float, run: Run) -> None:
    with pytest.raises(WorkbenchError, match="a positive factor"):
        Control(run).rate(factor)


def fit_shared(path: Path, deeds: dict[int, Deed]) -> None:
    Trainer(Toy(Run.open(path), deeds), SHARED, Run.open(path), progress=False).fit()


def order_all(run: Run) -> None:
    control = Control(run)
    control.pause()
    control.rate(0.5)
    control.save()


def test_several_processes_obey_as_one(run: Run) -> None:
    work = partial(fit_shared, run.path, {4: order_all, 8: stop})  # visits of rank 0
    errors: list[BaseException] = []

    def train() -> None:
        try:
            with ranks(2, "cpu", work):
                work()
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        until(lambda: len(answers(run)) == 3 or not thread.is_alive())
        assert load_checkpoint(run)["factor"] == 0.5
    finally:
        Control(run).resume()
        thread.join(LIMIT)
    assert not thread.is_alive()
    assert errors == []
    assert (run.status, run.step) == (Status.INTERRUPTED, 5)
    assert answers(run) == [("pause", 3), ("rate", 3), ("save", 3), ("resume", 3), ("stop", 5)]
