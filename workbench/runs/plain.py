"""Dataclasses as plain values for JSON, and back from them, with every type checked.

Tuples come back from JSON's lists, arrays from lists of numbers. A value of another type, a choice
that there is not and a name that no field has are refused with the place where they stand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from workbench.errors import WorkbenchError

Record = TypeVar("Record")


def plain(record: Any) -> Any:
    """A dataclass as dictionaries, lists, numbers and text; arrays as lists, tuples stay tuples."""
    return msgspec.to_builtins(record, enc_hook=_listed)


def from_plain(kind: type[Record], values: Any, remedy: str = "correct it") -> Record:
    """Back from `plain`, or from the JSON of it.

    Args:
        kind: the dataclass.
        values: of its fields, by name.
        remedy: what to do where they are wrong.

    Raises:
        WorkbenchError: a field is missing, of another type or unknown; or what the class itself
            raises.
    """
    try:
        record = msgspec.convert(values, kind, dec_hook=_array)
    except msgspec.ValidationError as error:
        found, _, place = f"{error}".partition(" - at `$.")
        found = f"{place.removesuffix('`')}: {found}" if place else found
        raise WorkbenchError(f"the fields of {kind.__name__}", found, remedy) from error
    for name in _unknown(values, plain(record)):
        raise WorkbenchError(
            f"the fields of {kind.__name__}", f"{name!r}, which it does not have", remedy
        )
    return record


def check_fields(record: Any) -> None:
    """Refuse a dataclass one of whose fields has a value that its type does not allow.

    Raises:
        WorkbenchError: one has; the message names it.
    """
    own: Any = type(record)  # which mypy does not take for hashable
    for name, kind in _types(own).items():
        value = getattr(record, name)
        try:
            msgspec.convert(value.item() if isinstance(value, np.generic) else value, kind)
        except msgspec.ValidationError as error:
            choices = " or ".join(map(repr, get_args(kind))) if get_origin(kind) is Literal else kind
            raise WorkbenchError(
                f"{name} of {type(record).__name__}: {choices}",
                f"{value!r}",
                "correct it",
            ) from error


def _unknown(given: Any, known: Any, place: str = "") -> Iterator[str]:
    """Places of `given` that `known` does not have; values are not compared."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for name, value in given.items():
            if name not in known:
                yield f"{place}{name}"
            else:
                yield from _unknown(value, known[name], f"{place}{name}.")
    elif isinstance(given, list | tuple) and given and isinstance(given[0], Mapping):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{place}{number}.")


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"a {type(value).__name__} has no JSON")


def _array(kind: Any, value: Any) -> Any:
    """An array of the dtype that jaxtyping's annotation of the field asks for."""
    return np.asarray(value, np.float64 if "float64" in kind.dtypes else None)
