"""The error for a damaged part of a store: the item, its raw file, and what mends it."""

from typing import Any

from pipelines.errors import StoreError
from pipelines.store.attributes import Place, array_of, is_url, open_group


def damaged(path: Place, array: str, slot: int | None, what: str) -> StoreError:
    """The error to raise for a damaged part of a store.

    Args:
        path: the store's folder or URL.
        array: name of the array.
        slot: the item, for a pixel array; None for an array of the table.
        what: kind of damage, as in "a missing chunk".
    """
    if slot is None:
        return StoreError(
            f"{array} in the table of {path} as it was written", what, _repair(path, "")
        )
    group = open_group(path)
    item = array_of(group, array).metadata.dimension_names  # type: ignore[union-attr]
    unit = slot // int(str(group.attrs["unit"]))
    return StoreError(
        f"{array} of {item[0] if item else 'item'} {slot} in {path} as it was written "
        f"(unit {unit}, from {_source(group, slot)})",
        what,
        _repair(path, f" --redo {unit}"),
    )


def _source(group: Any, slot: int) -> str:
    """The raw file of an item, if the table can still say."""
    try:
        return str(array_of(group, "image_source")[slot])
    # The table may be damaged too, in any way: that error is another one's to raise.
    except Exception:  # noqa: BLE001
        return "a raw file that the table does not name any more"


def _repair(path: Place, redo: str) -> str:
    if is_url(path):
        return f"copy it again from where it was written, or mend it there: resume{redo}"
    return f"mend it: python -m pipelines resume --store {path}{redo}"
