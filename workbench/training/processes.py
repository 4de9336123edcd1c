"""A training in several processes of this machine: the caller is rank 0, the others its children.

The processes meet in a process group of torch; `trainer.make_fabric` finds it there and lets
Lightning Fabric's DDP average gradients over it. Only rank 0 writes. Whichever rank fails, all end,
and the caller gets the error that was first.
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
    """This process's rank, and how many ranks there are; (0, 1) outside `ranks`."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def of_all_ranks(state: Tensor) -> list[Tensor]:
    """Every rank's, in their order; called by all of them."""
    _, count = place()
    if count == 1:
        return [state]
    gathered: list[Tensor] = [state] * count
    distributed.all_gather_object(gathered, state)
    return gathered


class Meeting(NamedTuple):
    """Where ranks find each other.

    Attributes:
        folder: of their own; it goes when they are done.
        device: "cpu" or "cuda".
        size: how many they are.
    """

    folder: Path
    device: str
    size: int

    def failure(self, rank: int) -> Path:
        """The file in which a rank leaves what it died of."""
        return self.folder / f"failure-{rank}"


@contextmanager
def ranks(count: int, device: str, work: Callable[[], object]) -> Iterator[None]:
    """A process group for as long as the block runs; nothing at all where `count` is 1.

    The block is rank 0's part. Every other rank calls `work`, in a process of its own.

    Args:
        count: how many ranks, this one among them.
        device: "cpu" (gloo) or "cuda" (NCCL, a GPU for each rank).
        work: what the others do; it travels there by pickle.

    Raises:
        WorkbenchError: there are not so many GPUs.
        RuntimeError: another rank failed; its traceback is in the message. An error that a user
            can mend is raised as it is.
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
            # A group breaks when a rank fails, which has said why before it left.
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
    """The life of a rank that is not the caller's."""
    torch.set_num_threads(threads)
    try:
        _join(rank, meeting)
        work()
    except KeyboardInterrupt:
        pass  # the caller got the same Ctrl-C, and says so
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it
        mendable = error if isinstance(error, UserError) else None
        # Before the group breaks: who hears of that looks here.
        meeting.failure(rank).write_bytes(pickle.dumps((mendable, traceback.format_exc())))
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _end(child: BaseProcess) -> None:
    """One that is in the middle of a step first hears that the group is gone, or its SIGTERM."""
    child.terminate()
    child.join(GRACE)
    if child.is_alive():
        child.kill()
        child.join()
    child.close()


def _raise_first(meeting: Meeting, cause: Exception | None) -> None:
    """Raise the first error that another rank had, if one had."""
    failed = [path for r in range(1, meeting.size) if (path := meeting.failure(r)).exists()]
    if not failed:
        return
    first = min(failed, key=lambda path: path.stat().st_mtime_ns)
    error, text = pickle.loads(first.read_bytes())
    if error is not None:
        raise error from cause
    raise RuntimeError(f"another process of the training failed:\n{text}") from cause


class Place(ClusterEnvironment):
    """The group that `ranks` has made, as Fabric asks for it."""

    @property
    def creates_processes_externally(self) -> bool:
        """The processes are there already."""
        return True

    @property
    def main_address(self) -> str:
        """This machine; the group was made without it."""
        return "localhost"

    @property
    def main_port(self) -> int:
        """None is needed: the group exists."""
        return 0

    @staticmethod
    def detect() -> bool:
        """Whether this process belongs to a group."""
        return distributed.is_initialized()

    def world_size(self) -> int:
        """How many ranks there are."""
        return place()[1]

    def set_world_size(self, size: int) -> None:
        """It is what it is."""

    def global_rank(self) -> int:
        """This process's."""
        return place()[0]

    def set_global_rank(self, rank: int) -> None:
        """It is what it is."""

    def local_rank(self) -> int:
        """The same: there is one machine."""
        return place()[0]

    def node_rank(self) -> int:
        """The only machine's."""
        return 0
