"""The three places where a job is done: a thread, a process of its own, a worker of Dask.

Each takes a job and gives a future, which is done when the training is: with the error that ended
it, if one did. Giving up the future, or ending the process that holds it, ends only a thread.
"""

import atexit
import os
import pickle
import secrets
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.launch.job import Job
from workbench.runs import Control, Run, Status

OUTPUT = "output.txt"
"""In the run folder: what the process of a training says, its warnings for example."""
_SHUTDOWN_TIMEOUT = 3.0
"""Seconds that a thread has, when Python ends, to stop its training and keep a checkpoint."""


def in_thread(job: Job) -> Future[None]:
    """Train in a thread of this process; it ends, with a checkpoint, when the process does.

    Python's global generators are the process's: where others draw from torch's meanwhile, dropout
    draws other numbers than in a training by itself.
    """

    def stop_at_exit() -> None:
        if job.has_begun and (run := Run.open(job.path)).status is Status.RUNNING:
            Control(run).stop()
            thread.join(_SHUTDOWN_TIMEOUT)

    def train() -> None:
        try:
            job.work()
        finally:
            atexit.unregister(stop_at_exit)

    atexit.register(stop_at_exit)
    outcome, thread = _run_in_thread(train, f"training {Path(job.path).name}")
    return outcome


def in_process(job: Job) -> Future[None]:
    """Train in a process with a session of its own, which outlives this one.

    What it says goes to `OUTPUT` in the run folder; until there is one, to a hidden file beside it.
    """
    path = Path(job.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    output_file = path / OUTPUT
    if not (job.resume and path.is_dir()):
        output_file = path.with_name(f".{path.name}.{secrets.token_hex(4)}.output")
    root = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    with output_file.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.launch.child"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, inherited]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,  # a signal to the kernel's group is not for it
        )

    def follow() -> None:
        answer, _ = process.communicate(f"{output_file}\n{job.to_json()}".encode())
        if answer:
            error, text = pickle.loads(answer)
            error.add_note(text)
            raise error
        if process.returncode:
            place = path / OUTPUT if not output_file.exists() else output_file
            raise WorkbenchError(
                f"a training at {path} that ends by itself",
                f"its process gone with exit status {process.returncode}",
                f"read {place}; go on with workbench.train(…, resume=True)",
            )

    outcome, _ = _run_in_thread(follow, f"process of training {path.name}")
    return outcome


def on_dask(job: Job, where: Any, resources: Mapping[str, int | float]) -> Future[None]:
    """Train as one task of a Dask cluster, whose workers see the stores and the run folder.

    The task is not tied to the client: the scheduler keeps it when the client goes. It is not done
    twice: where its worker is lost, the run stays as it is, to be resumed.

    Args:
        job: the training.
        where: a `distributed.Client`, or the scheduler's address.
        resources: that the worker must have, see Dask's `resources`.

    Raises:
        WorkbenchError: nobody is at the address, or no worker has the resources.
    """
    import distributed

    own = isinstance(where, str)
    try:
        client = distributed.Client(where, set_as_default=False) if own else where
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            'a Dask scheduler, or "thread" or "process"', f"{error}", f"correct where={where!r}"
        ) from error
    try:
        _check(client, resources)
        future = client.submit(
            _task, job.to_json(), pure=False, retries=0, resources=dict(resources) or None
        )
        distributed.fire_and_forget(future)
    except BaseException:
        if own:
            client.close()
        raise

    def follow() -> None:
        try:
            error = future.exception()
        except (distributed.client.FutureCancelledError, OSError) as lost:
            raise WorkbenchError(
                "a client that stays until the training is over",
                f"{lost}",
                f"the training goes on without it: look with workbench.watch({job.path!r})",
            ) from lost
        finally:
            if own:
                client.close()
        if error is not None:
            raise error

    outcome, _ = _run_in_thread(follow, f"task of training {Path(job.path).name}")
    return outcome


def _check(client: Any, resources: Mapping[str, int | float]) -> None:
    """Without this a task for which no worker is good enough would wait for ever, in silence."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    offers = [worker.get("resources") or {} for worker in workers]
    if not any(
        all(offer.get(name, 0) >= amount for name, amount in resources.items()) for offer in offers
    ):
        raise WorkbenchError(
            f"a Dask worker with {dict(resources)}" if resources else "a Dask worker",
            f"{len(offers)} workers, with {offers}" if offers else "none",
            "start one: dask worker ADDRESS"
            + "".join(f' --resources "{name}={amount}"' for name, amount in resources.items()),
        )


def _task(job: str) -> None:
    """What the worker does."""
    Job.from_json(job).work()


def _run_in_thread(work: Callable[[], None], name: str) -> tuple[Future[None], threading.Thread]:
    """Do something in a thread that keeps no process alive; how it went is in the future."""
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()

    def follow() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    thread = threading.Thread(target=follow, name=name, daemon=True)
    thread.start()
    return outcome, thread


def pickled_error(error: BaseException) -> bytes:
    """An error as it goes from one process to another: itself if it can, and its traceback."""
    text = "".join(traceback.format_exception(error))
    try:
        return pickle.dumps((error, text))
    except (pickle.PicklingError, TypeError, AttributeError):
        return pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), text))
