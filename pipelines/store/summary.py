"""Summary of a store in words, without reading pixels."""

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.store.attributes import Place, array_of, open_group, read_attributes
from pipelines.store.reading import read_table

MOST = 20
"""Number of categories that are shown, the most frequent ones."""


@dataclass(frozen=True)
class StoreSummary:
    """Contents of a store; prints as text, and as a table in a notebook.

    Attributes:
        path: the store's folder or URL.
        attributes: the store's own.
        items: slots, valid or not.
        arrays: shape and dtype of each pixel array.
        splits: valid items of each split.
        categories: valid items of each category that has any, the most frequent first.
        quarantined: items that are not valid, of a complete store.
        pixel_bytes: size of the pixel arrays, before compression.
    """

    path: str
    attributes: dict[str, Any]
    items: int
    arrays: dict[str, str]
    splits: dict[str, int]
    categories: dict[str, int]
    quarantined: int
    pixel_bytes: int

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Names and texts of the lines that are shown."""
        attributes = self.attributes
        complete = "complete" if attributes["complete"] else "unfinished"
        rows = [
            ("store", f"{self.path}, {complete}"),
            ("what", f"{attributes['product']} of {attributes['source']}"),
            ("items", f"{self.items}{_listed(self.splits)}"),
            *((f"{name}", text) for name, text in self.arrays.items()),
            ("size", f"{self.pixel_bytes / 1e6:.1f} MB, profile {attributes['profile']}"),
            ("fingerprint", str(attributes["fingerprint"])),
        ]
        if attributes["digest"]:
            rows.append(("digest", str(attributes["digest"])))
        if self.quarantined:
            rows.append(("quarantined", f"{self.quarantined}; `status` names them"))
        if self.categories:
            shown = dict(list(self.categories.items())[:MOST])
            more = len(self.categories) - len(shown)
            text = ", ".join(f"{name} {count}" for name, count in shown.items())
            rows.append(("categories", text + (f" and {more} more" if more else "")))
        return rows + [("note", note) for note in attributes["notes"]]

    def __str__(self) -> str:
        return "\n".join(f"{name:<12} {text}" for name, text in self.rows)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self.rows
        )
        return f"<table>{cells}</table>"


def summary(path: Place) -> StoreSummary:
    """Look into a store, finished or not, without reading pixels.

    Raises:
        StoreError: no store there, or one with a damaged table.
    """
    attributes = read_attributes(path)
    group = open_group(path)
    pixels = {name: array_of(group, name) for name in attributes["pixels"]}
    complete = bool(attributes["complete"])
    valid = read_table(path, "valid") if complete else np.zeros(0, bool)
    splits = read_table(path, "split")[valid].tolist() if complete else []
    return StoreSummary(
        path=str(path),
        attributes=attributes,
        items=array_of(group, "valid").shape[0],
        arrays={
            name: f"{'×'.join(map(str, array.shape))} {array.dtype}"
            for name, array in pixels.items()
        },
        splits={name: splits.count(name) for name in attributes["splits"]} if complete else {},
        categories=_categories(path, attributes, valid) if complete else {},
        quarantined=int((~valid).sum()),
        pixel_bytes=sum(array.nbytes for array in pixels.values()),
    )


def _categories(path: Place, attributes: dict[str, Any], valid: np.ndarray) -> dict[str, int]:
    """Number of objects of valid items by category; empty where the table has no categories."""
    names = [each["name"] for each in attributes["categories"]]
    if not names or "category" not in open_group(path):  # features of scenes leave it out
        return {}
    numbers = read_table(path, "category")[valid]
    if numbers.ndim > 1:  # a scene lists those of its objects, as many as it has
        instances = read_table(path, "instances")[valid]
        numbers = numbers[np.arange(numbers.shape[1]) < instances[:, None]]
    counts = np.bincount(numbers, minlength=len(names))
    return {names[k]: int(counts[k]) for k in np.argsort(-counts, kind="stable") if counts[k]}


def _listed(counts: dict[str, int]) -> str:
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f" ({text})" if text else ""
