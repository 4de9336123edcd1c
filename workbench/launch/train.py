"""`workbench.train`: start a training in a thread, a process or on Dask, and return its handle.

    training = workbench.train(config, "runs/first", where="process")
    workbench.watch(training)

A monitor needs only the run folder, wherever the training runs: the handle adds the error that
ended the training, and a way to wait.
"""

import asyncio
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from html import escape
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.launch.executors import in_process, in_thread, on_dask
from workbench.launch.job import Job
from workbench.runs import Control, Run
from workbench.training.config import LoopConfig

_POLL = 0.05
"""Seconds between two polls for the run."""


class Training:
    """Handle on a training that was started here.

    Attributes:
        path: path of the run folder.
        where: "thread", "process" or "Dask".
    """

    def __init__(self, job: Job, where: str, outcome: Future[None]) -> None:
        self.path, self.where = Path(job.path), where
        self._job, self._outcome = job, outcome

    @property
    def alive(self) -> bool:
        """Whether the training goes on, or has not begun yet."""
        return not self._outcome.done()

    @property
    def begun(self) -> bool:
        """Whether the training's run exists."""
        return self._job.has_begun

    @property
    def error(self) -> BaseException | None:
        """Error that ended the training, if one did."""
        return None if self.alive else self._outcome.exception()

    @property
    def run(self) -> Run:
        """Run of the training, after waiting until it exists.

        Raises:
            BaseException: the error that ended the training before there was a run.
        """
        while True:
            over = self._outcome.done()  # asked first: the training may begin and end in between
            if self.begun:
                return Run.open(self.path)
            if over:
                self._outcome.result()
                raise WorkbenchError(
                    f"a run at {self.path}", "none: it was deleted", "train it again"
                )
            time.sleep(_POLL)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until the training has ended: at its last step, or by a command to stop.

        Args:
            timeout: seconds to wait; None: as long as it takes.

        Raises:
            BaseException: the error that ended the training.
            TimeoutError: the training still goes on.
        """
        self._outcome.result(timeout)
        return self.run

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait as `wait` does, without blocking the kernel: `await training` in a cell.

        Clicks and buttons are answered meanwhile, which a blocking cell would delay.
        """
        yield from asyncio.wrap_future(self._outcome).__await__()
        return self.run

    def stop(self) -> None:
        """Command the training to stop after its current step, with a checkpoint; see `wait`.

        Raises:
            WorkbenchError: the training has ended already.
        """
        Control(self.run).stop()

    def __repr__(self) -> str:
        return f"Training({str(self.path)!r}: {self._state()}, where={self.where!r})"

    def _repr_html_(self) -> str:
        return f"<p>Training {escape(str(self.path))}: {escape(self._state())}</p>"

    def _state(self) -> str:
        if self.error is not None:
            return f"failed ({self.error})"
        if not self.begun:
            return "about to begin"
        run = Run.open(self.path)
        return f"{run.status} at step {run.step}"


def train(
    config: LoopConfig,
    path: Path | str,
    *,
    where: Any = "process",
    resources: Mapping[str, int | float] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Training:
    """Start a training and return at once.

    Args:
        config: of any kind (`training.kinds`): a `DeepNCutsConfig`, a `RegionConfig`; when
            resuming, the run's own must be the same but for the device.
        path: of the run folder.
        where: "process": a process of its own, which outlives this one (and a kernel's restart);
            "thread": a thread of this process, which stops with it; a `distributed.Client` or the
            address of a Dask scheduler: one of its workers, which needs to see the same paths.
        resources: Dask resources that the worker must have: {"GPU": 1}.
        resume: continue the existing run.
        overwrite: delete the existing run first.

    Raises:
        WorkbenchError: `where` is unknown. Other errors are raised by the handle's `run` and
            `wait`.
    """
    job = Job.of(config, path, resume=resume, overwrite=overwrite)
    local: dict[Any, Any] = {"thread": in_thread, "process": in_process}
    if isinstance(where, str) and where in local:
        if resources:
            raise WorkbenchError(
                "resources of a Dask worker", f"{dict(resources)} for a {where}", "leave them out"
            )
        return Training(job, where, local[where](job))
    if config.processes > 1:
        raise WorkbenchError(
            "one process a training on a Dask worker",
            f"processes={config.processes}",
            'set it to 1, or where="process"',
        )
    return Training(job, "Dask", on_dask(job, where, resources or {}))
