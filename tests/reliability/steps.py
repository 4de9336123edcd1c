"""A SIGKILL at an exact step: steps are the changes that a process makes to a folder's files.

Python reports every opening, renaming, removing and making of a folder to its audit hooks before it
happens; a step is one of these below the folder, or a piece of a chunk that is being written. At
step n the victim dies, the process itself or another one. In the middle of a piece, half of it has
reached the file. So a seed chooses a point exactly, and another run of the test kills there again.
"""

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from pipelines import chunks

NEVER = 10**9
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


@dataclass
class Trap:
    """Counts the steps below a folder, from zero; at one of them a signal goes to a process.

    Attributes:
        folder: whose files count.
        at: the step.
        victim: the process; default: the one where the trap is set.
        signal: what it gets.
        taken: steps that were counted.
    """

    folder: str
    at: int = NEVER
    victim: int = 0
    signal: int = signal.SIGKILL
    taken: int = 0

    def step(self) -> bool:
        """Whether this is the one."""
        with _COUNTING:
            self.taken += 1
            return self.taken == self.at + 1

    def spring(self) -> None:
        """Send the signal; the process that sends it to itself goes no further."""
        with suppress(ProcessLookupError):  # another process with this trap was faster
            os.kill(self.victim or os.getpid(), self.signal)


_COUNTING = Lock()
_traps: list[Trap] = []
"""The trap that is set in this process, if one is: audit hooks stay for good."""
_prepared: list[bool] = []


def set_trap(trap: Trap) -> int:
    """Set a trap in this process, in place of another one; gives back the process's id."""
    if not _prepared:
        _prepared.append(True)
        sys.addaudithook(_audit)
        chunks.ChunkFile._put = _torn(chunks.ChunkFile._put)  # type: ignore[method-assign]
    _traps[:] = [trap]
    return os.getpid()


def disarm() -> int:
    """Take the trap away; the steps that were counted."""
    taken = sum(trap.taken for trap in _traps)
    _traps.clear()
    return taken


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _traps or event not in CHANGES:
        return
    trap, place = _traps[0], arguments[0]
    if not isinstance(place, str | Path):
        return
    if event in {"os.remove", "os.rmdir"} and arguments[1] >= 0:  # below an open folder
        place = Path(f"/proc/self/fd/{arguments[1]}").readlink() / place
    if not str(place).startswith(trap.folder):
        return
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    if trap.step():
        trap.spring()


def _torn(put: Any) -> Any:
    def put_some(file: chunks.ChunkFile, content: bytes | memoryview) -> None:
        if _traps and str(file.path).startswith(_traps[0].folder) and _traps[0].step():
            put(file, memoryview(content)[: len(content) // 2])
            _traps[0].spring()
            content = memoryview(content)[len(content) // 2 :]
        put(file, content)

    return put_some
