"""Cost of a training and its monitor to each other, in a Jupyter kernel, as in a notebook.

One training of synthetic scenes runs in each place while a monitor is opened and closed: steps of
the spans with a monitor are compared with those between them, so that a busy machine slows both
alike. Then the training is stopped.
"""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import Empty
from typing import Any

from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench.bench.records import Row, Target
from workbench.errors import WorkbenchError
from workbench.runs import Control, Run, Status

SLOWED, TRIP, STOP = "a step", "cell round trip", "stop after the current step"
WATCHED, ALONE, MEDIAN, SLOWEST = "watched", "alone", "median", "slowest tenth"
SLOWED_LIMIT, TRIP_LIMIT, STOP_LIMIT = 0.05, 0.2, 0.2
_SETTLE = 1.5
"""Seconds after a monitor is opened or closed that count for neither side: it makes its charts."""
_PATIENCE = 120.0
_SOON = 0.01


@dataclass(frozen=True)
class TrainingSizes:
    """Sizes and repeats of the measurement.

    Attributes:
        places: where the training runs.
        spans: how often the monitor is opened and closed.
        seconds: length of a span.
        stops: how often the training is stopped and resumed.
    """

    places: tuple[str, ...] = ("process", "thread")
    spans: int = 5
    seconds: float = 6.0
    stops: int = 5


def training_rows(sizes: TrainingSizes, folder: Path) -> Iterator[Row]:
    """Rows of the measurement, place by place.

    Args:
        sizes: sizes and repeats of the measurement.
        folder: folder for scenes and runs.
    """
    write_sample(folder / "raw", train=24, test=4, seed=0)
    store = folder / "scenes.zarr"
    run_pipeline("bsds", folder / "raw", store, workers=1, progress=False)
    for place in sizes.places:
        with _kernel() as kernel:
            yield from _rows(sizes, kernel, store, folder / place, place)


def training_targets(rows: list[Row]) -> Iterator[Target]:
    """Targets of the measurement."""
    found = {(row.case, row.method): row.seconds for row in rows}
    for (case, method), watched in found.items():
        alone = found.get((case, ALONE))
        if method == WATCHED and watched is not None and alone is not None:
            slower = watched / alone - 1
            words = f"{slower:+.1%}"
            name = f"{case}: slowed by watching ≤ {SLOWED_LIMIT:.0%}"
            yield Target(name, words, slower <= SLOWED_LIMIT)
        limit = {TRIP: TRIP_LIMIT, STOP: STOP_LIMIT}.get(case.split(",")[0])
        if method == SLOWEST and watched is not None and limit is not None:
            name = f"{case} ≤ {limit * 1e3:.0f} ms"
            yield Target(name, f"{watched * 1e3:.0f} ms, {SLOWEST}", watched <= limit)


class _Kernel:
    """Jupyter kernel that runs cells."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, cell: str) -> float:
        """Run a cell; seconds until its reply arrives.

        Raises:
            WorkbenchError: the cell failed.
        """
        start = time.perf_counter()
        sent = self._client.execute(cell)
        while True:
            reply = self._client.get_shell_msg(timeout=_PATIENCE)
            if reply["parent_header"].get("msg_id") == sent:
                break
        took = time.perf_counter() - start
        self._drain()
        if reply["content"]["status"] != "ok":
            said = "\n".join(reply["content"].get("traceback", []))
            raise WorkbenchError("a cell that runs", said, "see what went wrong in it")
        return took

    def _drain(self) -> None:
        """Remove the messages that the kernel has sent for display: nothing else reads them."""
        while True:
            try:
                self._client.get_iopub_msg(timeout=0)
            except Empty:
                return


@contextmanager
def _kernel() -> Iterator[_Kernel]:
    from jupyter_client.manager import KernelManager

    manager = KernelManager(transport="ipc")
    manager.start_kernel(env=os.environ | {"OMP_NUM_THREADS": "1"})
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_PATIENCE)
        yield _Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _rows(
    sizes: TrainingSizes, kernel: _Kernel, store: Path, path: Path, place: str
) -> Iterator[Row]:
    kernel.run(_BEGIN.format(store=str(store), path=str(path), place=place))
    run, control = Run.open(path), Control(path)
    try:
        _until(lambda: run.step > 5)
        spans: dict[str, list[tuple[float, float]]] = {WATCHED: [], ALONE: []}
        trips: list[float] = []
        for _ in range(sizes.spans):
            for method, cell in (
                (WATCHED, "monitor = workbench.watch(path)"),
                (ALONE, "monitor.close()"),
            ):
                kernel.run(cell)
                time.sleep(_SETTLE)
                start = time.time()
                while time.time() < start + sizes.seconds:
                    trips.append(kernel.run("1 + 1"))
                    time.sleep(0.2)
                spans[method].append((start, time.time()))
        taken = [e.time for e in run.events("metrics")]
        for method, found in spans.items():
            yield Row(f"{SLOWED}, training in a {place}", method, _step(taken, found))
        yield from _two(f"{TRIP}, training in a {place}", trips)
        waits = [_stopped(run, control, kernel) for _ in range(sizes.stops)]
        yield from _two(f"{STOP}, training in a {place}", waits)
    finally:
        if run.status is Status.RUNNING:
            control.stop()
            _until(lambda: run.status is not Status.RUNNING)


def _step(taken: list[float], spans: list[tuple[float, float]]) -> float:
    """Seconds of a step: median over spans of the median of their steps."""
    each = []
    for start, end in spans:
        inside = [moment for moment in taken if start <= moment <= end]
        steps = [b - a for a, b in pairwise(inside)]
        each.append(statistics.median(steps))
    return statistics.median(each)


def _two(case: str, seconds: list[float]) -> Iterator[Row]:
    yield Row(case, MEDIAN, statistics.median(seconds))
    yield Row(case, SLOWEST, sorted(seconds)[-max(1, len(seconds) // 10) :][0])


def _stopped(run: Run, control: Control, kernel: _Kernel) -> float:
    """Seconds from the end of the step in which the stop is requested to its confirmation.

    The checkpoint is written by then. The training is resumed afterwards.
    """
    _until(lambda: run.status is Status.RUNNING and run.latest("metrics") is not None)
    before = run.step
    _until(lambda: run.step > before)
    control.stop()
    _until(lambda: run.status is not Status.RUNNING)
    step, over = run.latest("metrics"), run.latest("interrupted")
    assert step is not None, "it took a step"
    assert over is not None, "it said how it ended"
    kernel.run(_AGAIN)
    return over.time - step.time


def _until(true: Any) -> None:
    end = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came of it in {_PATIENCE:.0f} s")
        time.sleep(_SOON)


_BEGIN = """
import workbench
from workbench.models import ArchitectureConfig
from workbench.training.scenes.config import DeepNCutsConfig
shape = ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0)
config = DeepNCutsConfig(store={store!r}, architecture=shape, passes=10_000, holdout=0,
                         device="cpu")
path, place = {path!r}, {place!r}
training = workbench.train(config, path, where=place)
training.run
"""
_AGAIN = """
training.wait()
training = workbench.train(config, path, where=place, resume=True)
training.run
"""
