"""Results of columns: one JSON file a seed, with the question that it answers."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from workbench.errors import WorkbenchError
from workbench.runs.files import atomic_write, read_json_object, to_json

Own = TypeVar("Own")
"""Class itself, or a subclass of it."""


@dataclass(frozen=True)
class TableResult:
    """Result of one seed of a column; each table's subclass adds its measurements.

    Attributes:
        question: question that it answers, plain values.
        provenance: origin, see `runs.provenance`.
    """

    question: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def said(self) -> str:
        """Outcome in a few words, for the terminal; may be empty."""
        return ""

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        with atomic_write(path) as file:
            file.write(to_json(asdict(self)).encode())

    @classmethod
    def prepared(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Plain values before their conversion; a subclass may convert some of them here.

        Arrays that share a dimension's name, but not its size, must not be converted in one call.
        """
        return values

    @classmethod
    def read(cls: type[Own], path: Path) -> Own:
        """Read a file that `write` wrote.

        Raises:
            WorkbenchError: the file is damaged, or of another version.
        """
        values = read_json_object(path)
        try:
            known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
            if strangers := values.keys() - known:
                raise ValueError(f"unknown {', '.join(sorted(strangers))}")
            return converted(cls.prepared(values), cls)  # type: ignore[attr-defined]
        except (AttributeError, KeyError, TypeError, ValueError, WorkbenchError) as error:
            raise WorkbenchError(
                f"the result of a column in {path}",
                f"something else ({type(error).__name__}: {error})",
                "delete it, and it is evaluated again",
            ) from error


def converted(values: Any, kind: type[Own]) -> Own:
    """Plain values converted to a dataclass whose fields may be arrays.

    Raises:
        ValueError: the values do not fit the class; the message says where.
    """
    return msgspec.convert(values, kind, dec_hook=_array)


def _array(kind: type[Any], values: list[Any]) -> np.ndarray:
    """Array of nested lists; msgspec checks its dtype and dimensions against the annotation."""
    return np.array(values)
