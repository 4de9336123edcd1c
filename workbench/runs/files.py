"""Atomic writing of files, and reading and writing of JSON."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.files import atomic_write
from workbench.errors import WorkbenchError

__all__ = ["atomic_write", "read_json_object", "to_json", "write_files"]


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files, each whole or not at all.

    Args:
        folder: where to; made if it is not there.
        contents: by name.

    Returns:
        Their paths, in the same order.
    """
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]


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
