"""A training in several processes of this machine: the caller is rank 0, the others its children.

The processes meet in a process group of torch; `trainer.make_fabric` finds it there and lets
Lightning Fabric's DDP average gradients over it. Only rank 0 writes. If one rank fails, all end,
and the caller raises the first error.
"""

import multiprocessing
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch import Tensor, distributed

from pipelines.errors import UserError
from workbench.errors import WorkbenchError

GRACE = 5.0
"""Seconds that ranks have to end on their own once the caller's part is over."""


def place() -> tuple[int, int]:
    """Rank of this process, and number of ranks; (0, 1) outside `ranks`."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def of_all_ranks(state: Tensor) -> list[Tensor]:
    """States of every rank, in their order; to be called by all ranks."""
    _, count = place()
    if count == 1:
        return [state]
    gathered: list[Tensor] = [state] * count
    distributed.all_gather_object(gathered, state)
    return gathered


class Meeting(NamedTuple):
    """Rendezvous of the ranks.

    Attributes:
        folder: temporary folder of the ranks.
        device: "cpu" or "cuda".
        size: number of ranks.
    """

    folder: Path
    device: str
    size: int

    def failure(self, rank: int) -> Path:
        """File in which a rank leaves the error that ended it."""
        return self.folder / f"failure-{rank}"


@contextmanager
def ranks(count: int, device: str, work: Callable[[], object]) -> Iterator[None]:
    """Process group for as long as the block runs; nothing at all where `count` is 1.

    The block is rank 0's part. Every other rank calls `work`, in a process of its own.

    Args:
        count: number of ranks, this one among them.
        device: "cpu" (gloo) or "cuda" (NCCL, a GPU for each rank).
        work: function that the other ranks call; it is sent to them by pickle.

    Raises:
        WorkbenchError: there are fewer GPUs than ranks.
        RuntimeError: another rank failed; its traceback is in the message. A `UserError` is raised
            as it is.
    """
    if count == 1:
        yield
        return
    if device == "cuda" and count > torch.cuda.device_count():
        raise WorkbenchError(
            f"{count} CUDA devices for as many processes",
            f"{torch.cuda.device_count()}",
            "lower --processes, or give --device cpu",
        )
    context = multiprocessing.get_context("spawn")
    threads = torch.get_num_threads()
    share = max(1, threads // count)
    with TemporaryDirectory(prefix="workbench-ranks-") as folder:
        meeting = Meeting(Path(folder), device, count)
        children = [
            context.Process(target=_child, args=(rank, meeting, share, work), daemon=True)
            for rank in range(1, count)
        ]
        for child in children:
            child.start()
        torch.set_num_threads(share)
        try:
            _join(0, meeting)
            yield
            for child in children:
                child.join(GRACE)
            _raise_first(meeting, None)
        except UserError:
            raise
        except Exception as error:
            # A group breaks when a rank fails, and that rank has written its error file before.
            _raise_first(meeting, error)
            raise
        finally:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            torch.set_num_threads(threads)
            for child in children:
                _end(child)


def _join(rank: int, meeting: Meeting) -> None:
    backend = "nccl" if meeting.device == "cuda" else "gloo"
    if meeting.device == "cuda":
        torch.cuda.set_device(rank)
    address = f"file://{meeting.folder / 'address'}"
    distributed.init_process_group(backend, address, rank=rank, world_size=meeting.size)


def _child(rank: int, meeting: Meeting, threads: int, work: Callable[[], object]) -> None:
    """Run a rank that is not the caller's."""
    torch.set_num_threads(threads)
    try:
        _join(rank, meeting)
        work()
    except KeyboardInterrupt:
        pass  # the caller got the same Ctrl-C, and reports it
    except Exception as error:  # noqa: BLE001 - the caller raises any error
        mendable = error if isinstance(error, UserError) else None
        # Written before the group breaks, because the caller then looks for this file.
        meeting.failure(rank).write_bytes(pickle.dumps((mendable, traceback.format_exc())))
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _end(child: BaseProcess) -> None:
    """End a rank: SIGTERM, which stops it between two steps, then SIGKILL after `GRACE`."""
    child.terminate()
    child.join(GRACE)
    if child.is_alive():
        child.kill()
        child.join()
    child.close()


def _raise_first(meeting: Meeting, cause: Exception | None) -> None:
    """Raise the first error of another rank, if there is one."""
    failed = [path for r in range(1, meeting.size) if (path := meeting.failure(r)).exists()]
    if not failed:
        return
    first = min(failed, key=lambda path: path.stat().st_mtime_ns)
    error, text = pickle.loads(first.read_bytes())
    if error is not None:
        raise error from cause
    raise RuntimeError(f"another process of the training failed:\n{text}") from cause


class Place(ClusterEnvironment):
    """Process group that `ranks` made, as an environment for Fabric."""

    @property
    def creates_processes_externally(self) -> bool:
        """True: the processes exist already."""
        return True

    @property
    def main_address(self) -> str:
        """Name of this machine; unused, as the group exists already."""
        return "localhost"

    @property
    def main_port(self) -> int:
        """Number of a port; unused, as the group exists already."""
        return 0

    @staticmethod
    def detect() -> bool:
        """Whether this process belongs to a group."""
        return distributed.is_initialized()

    def world_size(self) -> int:
        """Number of ranks."""
        return place()[1]

    def set_world_size(self, size: int) -> None:
        """Nothing: the size of the group is fixed."""

    def global_rank(self) -> int:
        """Rank of this process."""
        return place()[0]

    def set_global_rank(self, rank: int) -> None:
        """Nothing: the rank is fixed."""

    def local_rank(self) -> int:
        """Rank on this machine, which is the only one."""
        return place()[0]

    def node_rank(self) -> int:
        """Number of this machine, the only one: 0."""
        return 0
