"""Executors of a job: a thread, a process of its own, a worker of Dask.

Each takes a job and returns a future that is done when the training is, with the error that ended
the training, if one did. Ending the process that holds the future ends only a thread.
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
"""File in the run folder with the output of the training's process, its warnings for example."""
_SHUTDOWN_TIMEOUT = 3.0
"""Seconds that a thread has at Python's exit to stop its training and write a checkpoint."""


def in_thread(job: Job) -> Future[None]:
    """Train in a thread of this process, which stops with a checkpoint when the process ends.

    Global random generators belong to the process: where other code draws from torch's meanwhile,
    dropout gets other numbers than in a training alone.
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
    """Train in a process with a session of its own, which outlives this process.

    Its output goes to `OUTPUT` in the run folder, or to a hidden file beside it until that exists.
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
            start_new_session=True,  # signals to the kernel's group do not reach it
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
    """Train as one task of a Dask cluster whose workers see the stores and the run folder.

    The scheduler keeps the task when the client disconnects. The task is not repeated: where its
    worker is lost, the run stays as it is and can be resumed.

    Args:
        job: training.
        where: `distributed.Client`, or address of the scheduler.
        resources: resources that the worker must have, see Dask's `resources`.

    Raises:
        WorkbenchError: no scheduler answers at the address, or no worker has the resources.
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
    """Raise an error where no worker has the resources: the task would wait for ever."""
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
    """Task of the worker."""
    Job.from_json(job).work()


def _run_in_thread(work: Callable[[], None], name: str) -> tuple[Future[None], threading.Thread]:
    """Run `work` in a daemon thread; the future has its outcome."""
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()

    def follow() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the future
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    thread = threading.Thread(target=follow, name=name, daemon=True)
    thread.start()
    return outcome, thread


def pickled_error(error: BaseException) -> bytes:
    """Error pickled for another process, with its traceback; as `RuntimeError` if not picklable."""
    text = "".join(traceback.format_exception(error))
    try:
        return pickle.dumps((error, text))
    except (pickle.PicklingError, TypeError, AttributeError):
        return pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), text))
