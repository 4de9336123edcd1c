"""A store beside a perfect model of it: written, killed, damaged, read, mended, in any order."""

import signal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from pipelines import jobs, task
from pipelines.datasets import prepare
from pipelines.errors import StoreError
from pipelines.store import open_store
from pipelines.verify import verify
from tests.reliability import victims
from tests.reliability.cases import STORE, Case, Whole, marks_in
from tests.reliability.processes import ended, fork
from tests.reliability.steps import Trap

UNITS = st.integers(0, 9)
"""Taken modulo the units that an operation can be done to."""


class States(RuleBasedStateMachine):
    """The model: which units are whole, and which are damaged; the others are not written."""

    def __init__(self, case: Case, client: Client, folder: Path) -> None:
        super().__init__()
        self.case, self.client, self.folder = case, client, folder
        self.store = folder / STORE
        request: dict[str, Any] = {**case.request}
        del request["progress"]
        made = prepare(case.dataset, case.root, **request)
        jobs.begin(made, self.store)
        self.plan = made.plan
        self.whole: set[int] = set()
        self.damaged: set[int] = set()

    @property
    def absent(self) -> set[int]:
        return set(range(self.case.units)) - self.whole - self.damaged

    def wrote(self, *units: int) -> None:
        self.whole |= set(units)
        self.damaged -= set(units)

    @rule(unit=UNITS)
    def write(self, unit: int) -> None:
        unit %= self.case.units
        task.write_unit(unit, str(self.store), self.plan.fingerprint, self.plan.root)
        self.wrote(unit)

    @precondition(lambda self: self.absent)
    @rule(unit=UNITS, step=st.integers(0, 40))
    def die_writing(self, unit: int, step: int) -> None:
        unit = sorted(self.absent)[unit % len(self.absent)]
        trap = Trap(str(self.folder), step)
        code = ended(fork(victims.write_unit, trap, unit, str(self.store)))
        assert code in (0, -signal.SIGKILL)
        marked = f"unit-{unit:05d}.json" in marks_in(self.folder)
        assert marked or code != 0
        if marked:  # then it is whole, or the next verification fails
            self.wrote(unit)

    @precondition(lambda self: self.whole)
    @rule(unit=UNITS, field=st.integers(0, 1), how=st.sampled_from(["gone", "short", "flipped"]))
    def damage(self, unit: int, field: int, how: str) -> None:
        unit = sorted(self.whole)[unit % len(self.whole)]
        chunk = self.store / task.chunk_path(self.plan, self.plan.schema.pixels[field], unit)
        content = chunk.read_bytes()
        chunk.unlink()
        if how != "gone":
            changed = bytes([content[0] ^ 1]) + content[1:] if how == "flipped" else content[:-1]
            chunk.write_bytes(changed)
        self.whole.remove(unit)
        self.damaged.add(unit)

    @rule()
    def check(self) -> None:
        found = verify(self.store, progress=False)
        assert {fault.unit for fault in found.faults} == self.damaged
        assert set(found.unfinished) == self.absent
        assert found.ok == (len(self.whole) == self.case.units)

    @precondition(lambda self: self.whole or self.damaged)
    @rule(unit=UNITS)
    def read(self, unit: int) -> None:
        unit = sorted(self.whole | self.damaged)[unit % len(self.whole | self.damaged)]
        before = [u for u in self.plan.units[:unit] if u.index not in self.absent]
        first = sum(u.items for u in before)  # items of units that are not written are left out
        slots = {self.plan.item: slice(first, first + self.plan.units[unit].items)}
        found = open_store(self.store, allow_incomplete=True).isel(slots)
        if unit in self.whole:
            for field in self.plan.schema.pixels:
                assert found[field.name].shape[1:] == field.shape
                assert found[field.name].values.any()
        else:
            with pytest.raises(StoreError, match=rf"\(unit {unit}, from .* --redo {unit}$"):
                found.load()

    @rule()
    def resume(self) -> None:
        found = jobs.resume(self.store, client=self.client, progress=False)
        assert found.done == len(self.absent)
        assert found.digest == self.case.digest
        self.wrote(*self.absent)

    @rule()
    def mend(self) -> None:
        redo = sorted(self.damaged)
        found = jobs.resume(self.store, redo=redo, client=self.client, progress=False)
        assert found.done == len(self.absent | self.damaged)
        self.wrote(*range(self.case.units))
        self.case.is_whole(self.folder, found.digest)

    def teardown(self) -> None:
        self.mend()


@pytest.mark.parametrize(("dataset", "profile"), [("coco", "remote"), ("bsds", "local")])
def test_a_store_is_what_its_model_is(
    whole: Whole, client: Client, tmp_path: Path, dataset: str, profile: str
) -> None:
    case, number = whole(dataset, profile), count()

    def machine() -> States:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        return States(case, client, folder)

    few = settings(
        max_examples=4,
        stateful_step_count=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=few)
