"""Lock of a store for one run at a time: a file beside it, locked while a run goes on.

The kernel holds the lock (`flock`) and releases it when the process ends, however it ends: a lock
is never stale. Over NFS Linux takes it at the server, so that it holds between hosts. Where a
filesystem has no locks (some mounts of Lustre), a run says so and goes on without.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import PipelineError, TargetError
from pipelines.notices import notice

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def exclusive(store: Path) -> Iterator[None]:
    """Hold a store for the length of the block.

    Raises:
        PipelineError: another run holds it; the message has its host and time.
        TargetError: the folder of the store cannot be written.
    """
    path = store.with_name(f".{store.name}.lock")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(path)
    except OSError as error:
        raise TargetError(
            f"to write beside {store}",
            error.strerror or str(error),
            "give permission, or name another --store",
        ) from error
    try:
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)
        yield
    finally:
        # While it is still locked: whoever opens the name after this makes a new file.
        path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    """A locked handle of the file that has the name now."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
            os.close(handle)  # its owner took it away while it was opened here
        except BlockingIOError:
            found = _owner(handle)
            os.close(handle)
            raise PipelineError(
                f"no other run on {path.name.removeprefix('.').removesuffix('.lock')}",
                f"process {found.get('pid', '?')} on {found.get('host', '?')} writing it since "
                f"{found.get('since', 'just now')}",
                "wait for its end, or stop it",
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(handle)
                raise
            text = f"{path.parent} knows no file locks: let no other run write the store meanwhile"
            notice(text)
            return handle


def _owner(handle: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(os.pread(handle, 4096, 0))
        return found
    except ValueError:
        return {}  # it has not written its name yet


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
