"""Atomic writing of files, and reading and writing of JSON."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from workbench.errors import WorkbenchError


@contextmanager
def atomic_write(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Binary file to write to, which takes its name when the block ends without an error.

    An earlier file of that name is kept until then; a process killed inside leaves only a hidden
    `.tmp` file behind.

    Args:
        path: final path; its folder is made where missing.
        sync: survive a power failure too, at the price of waiting for the disk.
    """
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
            os.fsync(folder)  # the file's name is content of the folder
        finally:
            os.close(folder)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON of plain values, numpy and torch scalars and arrays, and paths.

    NaN and infinities are written as NaN, Infinity and -Infinity, which Python's `json` reads back
    (strict JSON has no such numbers). Tuples come back as lists.

    Raises:
        WorkbenchError: a value cannot be written as JSON.
    """
    try:
        return json.dumps(value, default=_plain, indent=indent, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise WorkbenchError(
            "numbers, text, lists and mappings to record", f"{error}", "convert it first"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # arrays, tensors and their scalars, without importing torch here
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")


def read_json_object(path: Path) -> dict[str, Any]:
    """JSON object of a file.

    Raises:
        WorkbenchError: the file cannot be read as one.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"a JSON object in {path}", f"{error}", "restore the file, or start another run"
        ) from error
    if not isinstance(value, dict):
        raise WorkbenchError(
            f"a JSON object in {path}", f"a {type(value).__name__}", "restore the file"
        )
    return value
