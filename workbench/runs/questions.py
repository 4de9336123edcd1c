"""Questions recorded with folders, results and trainings.

The same question again gets the existing answer; a different one is refused with an error that
names the differences.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs.files import atomic_write, read_json_object, to_json

QUESTION = "question.json"
"""Name of the file of a folder's question."""


def agree_on_question(
    folder: Path, question: Mapping[str, Any], what: str, defaults: Mapping[str, Any] | None = None
) -> None:
    """Record the question of a new folder, or require that an old one has the same.

    Args:
        folder: folder; created if it does not exist.
        question: values that JSON can hold.
        what: contents of the folder, for the message.
        defaults: values of settings that did not exist yet when the folder was made.

    Raises:
        WorkbenchError: the folder has another question.
    """
    path = folder / QUESTION
    if path.exists():
        known = {name: value for name, value in (defaults or {}).items() if name in question}
        then = known | read_json_object(path)
        refuse_other(then, question, f"{what} in {folder}", "ask the same, or give another --out")
        return
    with atomic_write(path) as file:
        file.write(to_json(dict(question)).encode())


def refuse_other(then: Mapping[str, Any], now: Mapping[str, Any], what: str, remedy: str) -> None:
    """Require that a recorded question equals the present one.

    Args:
        then: recorded question, values that JSON can hold.
        now: present question, values that JSON can hold.
        what: name of the thing with the recorded question, for the message.
        remedy: what to do.

    Raises:
        WorkbenchError: the questions differ; the message names where.
    """
    changed = _changes(*(json.loads(to_json(values)) for values in (then, now)))
    if changed:
        raise WorkbenchError(f"what was asked before of {what}", "; ".join(changed), remedy)


def _changes(then: Any, now: Any, name: str = "") -> list[str]:
    """Differences of two trees of plain values, each by its place and the two values."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        pairs: Sequence[tuple[str, Any, Any]] = [
            (f"{name}.{key}" if name else str(key), then.get(key), now.get(key))
            for key in {**then, **now}
        ]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = [(f"{name}[{i}]", a, b) for i, (a, b) in enumerate(zip(then, now, strict=True))]
    else:
        return [] if then == now else [f"{name} {to_json(now)}, was {to_json(then)}"]
    return [line for key, a, b in pairs for line in _changes(a, b, key)]


def digest_of(path: Path) -> str:
    """First characters of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
