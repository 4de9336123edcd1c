"""Carries out a plan: one Dask task for every unit that the ledger does not have yet.

The graph has as many tasks as units are left, however many images they hold. A unit that fails
does not stop the others. Whatever ends a run early, the units that are marked stay done: the
same call finishes the rest, and the store comes out the same, bit for bit.
"""

import hashlib
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Future, as_completed
from tqdm.auto import tqdm

from pipelines import store as stores
from pipelines.errors import PipelineError
from pipelines.ledger import Ledger, Quarantined, UnitMark
from pipelines.plan import Plan, Unit
from pipelines.task import write_unit


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        store: the store's folder.
        done: units written by this run.
        skipped: units that were done before.
        scenes: scenes in the units written by this run.
        quarantined: scenes of the whole store that could not be read.
        seconds: duration.
        digest: SHA-256 of all of the store's arrays.
        notes: what of the dataset was left out, and why.
    """

    store: Path
    done: int
    skipped: int
    scenes: int
    quarantined: tuple[Quarantined, ...]
    seconds: float
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Scenes a second."""
        return self.scenes / self.seconds

    def __str__(self) -> str:
        lines = [
            f"{self.store}: complete; {self.done} units written, {self.skipped} done before",
            f"  digest {self.digest}",
        ]
        if self.scenes:
            lines.append(
                f"  {self.scenes} scenes in {self.seconds:.1f} s: {self.rate:.1f} a second"
            )
        lines.extend(f"  note: {note}" for note in self.notes)
        if self.quarantined:
            lines.append(f"  {len(self.quarantined)} scenes quarantined:")
            lines.extend(f"    {each}" for each in self.quarantined)
        return "\n".join(lines)


class UnitError(PipelineError):
    """Units could not be written for another reason than a broken scene; the rest is done."""


def execute(
    plan: Plan,
    store: Path,
    client: Client,
    *,
    redo: Iterable[int] = (),
    progress: bool = True,
) -> Summary:
    """Write what is missing of the plan's store.

    Args:
        plan: the plan that the store and its ledger were begun with.
        store: its folder.
        client: where the tasks run.
        redo: indices of units to write again although they are done.
        progress: show a bar.

    Raises:
        UnitError: some units failed; all others are done.
    """
    began = time.perf_counter()
    ledger = Ledger(store)
    marks = ledger.marks()
    again = set(redo)
    todo = [unit for unit in plan.units if unit.index not in marks or unit.index in again]
    if progress and todo:
        tqdm.write(f"Dask dashboard: {client.dashboard_link}", file=sys.stderr)
    written, failures = _run(todo, plan, store, client, progress)
    if failures:
        first, error = min(failures.items())
        raise UnitError(
            f"{len(plan.units)} units written to {store}",
            f"{len(failures)} that failed, the first unit {first}: {type(error).__name__}: {error}",
            f"mend the cause, then: python -m pipelines resume --store {store}",
        ) from error
    marks |= written
    stores.finish(store)
    return Summary(
        store=store,
        done=len(written),
        skipped=len(plan.units) - len(written),
        scenes=sum(len(unit.records) for unit in todo),
        quarantined=tuple(each for _, mark in sorted(marks.items()) for each in mark.quarantined),
        seconds=time.perf_counter() - began,
        digest=store_digest(marks),
        notes=plan.notes,
    )


def store_digest(marks: dict[int, UnitMark]) -> str:
    """One digest of a complete store, from its units' digests."""
    digests = [marks[index].digest for index in sorted(marks)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _run(
    units: list[Unit], plan: Plan, store: Path, client: Client, progress: bool
) -> tuple[dict[int, UnitMark], dict[int, BaseException]]:
    """One task a unit; marks of those that succeeded, errors of those that failed."""
    written: dict[int, UnitMark] = {}
    failures: dict[int, BaseException] = {}
    # A worker may have another working directory. Not pure: what is asked for again is done again.
    place = str(store.resolve())
    submitted: dict[Future, Unit] = {
        client.submit(write_unit, unit, plan.kind, plan.root, place, pure=False): unit
        for unit in units
    }
    scenes = sum(len(unit.records) for unit in units)
    try:
        with tqdm(total=scenes, unit="scene", disable=not (progress and units)) as bar:
            for future in as_completed(submitted):
                unit = submitted[future]
                if future.status == "finished":
                    written[unit.index] = future.result()
                else:
                    failures[unit.index] = future.exception() or RuntimeError(future.status)
                bar.update(len(unit.records))
    except BaseException:
        client.cancel(list(submitted), force=True)
        raise
    return written, failures
