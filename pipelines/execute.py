"""Execution of a plan: one Dask task for every unit that the ledger does not have yet.

The graph has as many tasks as units are left, however many images they hold, and a task is sent
three names and a number. A unit that fails does not stop the others, unless the store cannot be
written: then none would succeed. Whatever ends a run early, the units that are marked stay done:
the same call finishes the rest, and the store comes out the same, bit for bit.
"""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Future, as_completed
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from tqdm.auto import tqdm

from pipelines.datasets import name_item
from pipelines.errors import PipelineError, TargetError
from pipelines.ledger import Ledger, Quarantined, UnitMark
from pipelines.notices import notice
from pipelines.plan import Plan, Unit
from pipelines.store import layout
from pipelines.store.attributes import read_attributes
from pipelines.task import attempt_unit, units_with_holes

SHOWN = 20
"""Number of quarantined items, or of units, that are listed; `status` lists all items."""


@dataclass(frozen=True)
class Summary:
    """The result of a run.

    Attributes:
        store: the store's folder.
        item: name of an item: "scene" or "region".
        done: units written by this run.
        skipped: units that were done before.
        items: items in the units written by this run.
        written_bytes: size of the chunk files written by this run.
        quarantined: items of the whole store that could not be read.
        seconds: duration.
        digest: SHA-256 of all of the store's arrays.
        notes: sentences on parts of the dataset that were left out, and why.
    """

    store: Path
    item: str
    done: int
    skipped: int
    items: int
    written_bytes: int
    quarantined: tuple[Quarantined, ...]
    seconds: float
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    def __str__(self) -> str:
        lines = [
            f"{self.store}: complete; {self.done} units written, {self.skipped} done before",
            f"  digest {self.digest}",
        ]
        if self.items:
            lines.append(
                f"  {self.items} {self.item}s in {self.seconds:.1f} s: {self.rate:.1f} a second, "
                f"{self.written_bytes / self.seconds / 1e6:.1f} MB/s written"
            )
        lines.extend(f"  note: {note}" for note in self.notes)
        if self.quarantined:
            lines.append(f"  {len(self.quarantined)} {self.item}s quarantined:")
            lines.extend(f"    {each}" for each in self.quarantined[:SHOWN])
            if len(self.quarantined) > SHOWN:
                lines.append(f"    … all by: python -m pipelines status --store {self.store}")
        return "\n".join(lines)


class SchedulerLost(PipelineError):
    """Error of a scheduler that is lost in the middle of a run; marked units are done."""


class UnitError(PipelineError):
    """Error of units that could not be written, other than by a broken item; the rest is done."""


def execute(
    plan: Plan,
    store: Path,
    client: Client,
    *,
    redo: Iterable[int] = (),
    table: bool = False,
    progress: bool = True,
) -> Summary:
    """Write what is missing of the plan's store, units that have lost a chunk's file included.

    Args:
        plan: the plan that the store and its ledger were begun with.
        store: folder of the store.
        client: client of the cluster on which the tasks run.
        redo: indices of units to write again although they are done.
        table: write the table again although no unit was, to mend damage.
        progress: show a bar.

    Raises:
        UnitError: some units failed; all others are done.
        TargetError: the store cannot be written; units that are done stay done.
        SchedulerLost: the scheduler died; units that are done stay done.
    """
    began = time.perf_counter()
    ledger = Ledger(store)
    layout.sweep(plan, store)  # what a run that was killed has left
    done, again = ledger.done(), _checked(redo, plan)
    if holes := units_with_holes(plan, store, done - again):
        named = ", ".join(map(str, holes[:SHOWN])) + " …" * (len(holes) > SHOWN)
        notice(f"{len(holes)} units have lost a chunk and are written again: {named}")
        again |= set(holes)
    todo = [unit for unit in plan.units if unit.index not in done or unit.index in again]
    if progress and todo:
        notice(f"Dask dashboard: {client.dashboard_link}")
    written, failures = _run(todo, plan, store, client, progress)
    if failures:
        raise _error(failures, plan, store)
    marks = ledger.marks()
    digest = store_digest(marks)
    if written or table or read_attributes(store)["digest"] != digest:
        layout.finish(plan, store, digest)
    layout.sweep(plan, store)  # what workers that died have left
    return Summary(
        store=store,
        item=plan.item,
        done=len(written),
        skipped=len(plan.units) - len(written),
        items=sum(unit.items for unit in todo),
        written_bytes=sum(mark.written for mark in written),
        quarantined=tuple(each for _, mark in sorted(marks.items()) for each in mark.quarantined),
        seconds=time.perf_counter() - began,
        digest=digest,
        notes=plan.notes,
    )


def store_digest(marks: dict[int, UnitMark]) -> str:
    """Digest of a complete store: SHA-256 of its units' digests."""
    digests = [marks[index].digest for index in sorted(marks)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _run(
    units: list[Unit], plan: Plan, store: Path, client: Client, progress: bool
) -> tuple[list[UnitMark], dict[int, BaseException]]:
    """Run one task a unit; give marks of the units that succeeded, errors of those that failed."""
    written: list[UnitMark] = []
    failures: dict[int, BaseException] = {}
    # A worker may have another working directory. Not pure: what is asked for again is done again.
    place = str(store.resolve())
    submitted: dict[Future, Unit] = {
        client.submit(
            attempt_unit, unit.index, place, plan.fingerprint, plan.root, pure=False
        ): unit
        for unit in units
    }
    total = sum(unit.items for unit in units)
    try:
        with tqdm(total=total, unit=plan.item, disable=not (progress and units)) as bar:
            completed = as_completed(list(submitted))
            for future in completed:
                status = future.status
                if status == "cancelled":  # by nobody here: its scheduler is gone
                    raise _lost(plan, store, client)
                if status not in ("finished", "error"):
                    completed.add(future)  # its worker died with the result: it is done again
                    continue
                unit = submitted.pop(future)
                found = future.result() if status == "finished" else future.exception()
                if isinstance(found, UnitMark):
                    written.append(found)
                else:
                    failures[unit.index] = found or RuntimeError(status)
                if isinstance(found, TargetError):
                    client.cancel(list(submitted), force=True)
                    break
                bar.update(unit.items)
    except SchedulerLost:
        raise  # nobody is left to cancel anything
    except (CommClosedError, FutureCancelledError) as error:  # while a result was on its way
        raise _lost(plan, store, client) from error
    except BaseException:
        client.cancel(list(submitted), force=True)
        raise
    return written, failures


def _lost(plan: Plan, store: Path, client: Client) -> SchedulerLost:
    address = client.scheduler.address if client.scheduler else "its address"
    return SchedulerLost(
        f"the Dask scheduler at {address} to stay until the end of the run",
        f"it gone; {len(Ledger(store).done())} of {len(plan.units)} units are done and stay so",
        f"start one again, then: python -m pipelines resume --store {store}",
    )


def _error(failures: dict[int, BaseException], plan: Plan, store: Path) -> PipelineError:
    """The error to raise for the units that failed."""
    units = len(plan.units)
    again = f"then: python -m pipelines resume --store {store}"
    for error in failures.values():
        if isinstance(error, TargetError):
            done = len(Ledger(store).done())
            return TargetError(
                error.expected,
                f"{error.found}; {done} of {units} units are done and stay so",
                f"{error.remedy}, {again}",
            )
    ledger = Ledger(store)
    # A unit that waited for a worker which died counts as failed too: those that ran come first.
    first, error = min(failures.items(), key=lambda each: (not ledger.reached(each[0]), each[0]))
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, KilledWorker):
        unit = plan.units[first]
        names = [name_item(plan, unit, ledger.records(unit), s) for s in ledger.reached(first)]
        what = (
            f"its worker died again and again ({error})"
            + f" at {' and '.join(sorted(names))}" * bool(names)
            + ": too little memory, perhaps, or content that crashes a library"
        )
    failed = UnitError(
        f"{units} units written to {store}",
        f"{len(failures)} that failed, the first unit {first}: {what}",
        f"mend the cause, {again}",
    )
    failed.__cause__ = error
    return failed


def _checked(redo: Iterable[int], plan: Plan) -> set[int]:
    again = set(redo)
    if strange := again - set(range(len(plan.units))):
        raise PipelineError(
            f"units from 0 to {len(plan.units) - 1}",
            ", ".join(map(str, sorted(strange))),
            "correct --redo",
        )
    return again
