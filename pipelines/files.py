"""Files that are there whole or not at all, even after a power failure."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipelines.errors import TargetError


@contextmanager
def atomic_write(path: Path, *, sync: bool = True, make_folder: bool = True) -> Iterator[BinaryIO]:
    """A binary file to write to, which takes its name when the block ends without an error.

    Until then a file of that name stays what it was; a process killed inside leaves a hidden
    `.tmp` file behind and nothing else.

    Args:
        path: the final name.
        sync: survive a power failure too, at the price of waiting for the disk.
        make_folder: make its folder where missing.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name is the folder's content
        finally:
            os.close(folder)


@contextmanager
def target_errors(path: Path) -> Iterator[None]:
    """Errors of the operating system inside the block become a `TargetError` that names the path.

    So errors of the place that is written are told from those of the files that are read.
    """
    try:
        yield
    except OSError as error:
        raise TargetError(
            f"to write {path}", error.strerror or str(error), "make room or give permission"
        ) from error
