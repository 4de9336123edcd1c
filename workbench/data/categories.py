"""Categories of a store in the numbering of a network, matched by name or by the dataset's id.

A network's outputs have the numbers that its training store gave the categories. Another store
numbers its own, by their ids: equal numbers need not be the same category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from workbench.data.regions import Regions
from workbench.errors import WorkbenchError

MatchBy = Literal["name", "id"]
SHOWN = 8
"""Largest number of names in a sentence."""


@dataclass(frozen=True)
class Categories:
    """Categories in the order of their numbers.

    Attributes:
        names: names.
        ids: ids of the dataset, as many; empty: not known.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] = ()

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> "Categories":
        """Categories from the attributes of a store."""
        listed = attributes["categories"]
        return cls(tuple(c["name"] for c in listed), tuple(int(c["id"]) for c in listed))


@dataclass(frozen=True)
class Matched:
    """Regions of another store with the categories of a network.

    Attributes:
        regions: regions whose category the network knows; `categories` and `names` are its own.
        left_out: number of regions of each category that it does not know, by name.
        absent: names of the network's categories that the store does not list.
        renumbered: number of categories that have another number in the store.
        renamed: names of the two, the store's and the network's, where they differ; by id only.
    """

    regions: Regions
    left_out: Mapping[str, int]
    absent: tuple[str, ...]
    renumbered: int
    renamed: tuple[tuple[str, str], ...] = ()

    def sentences(self) -> list[str]:
        """Sentences on every difference of the categories; none where there is no difference."""
        found = []
        if self.left_out:
            named = _listed([f"{name} {count}" for name, count in self.left_out.items()])
            found.append(
                f"{sum(self.left_out.values())} regions are left out, because the run does not "
                f"know their {len(self.left_out)} categories: {named}"
            )
        if self.absent:
            found.append(
                f"{len(self.absent)} of the run's {len(self.regions.names)} categories are not "
                f"in the store: {_listed(self.absent)}"
            )
        if self.renumbered:
            found.append(
                f"{self.renumbered} categories have other numbers in the store; "
                "they are matched, not their numbers"
            )
        if self.renamed:
            pairs = _listed([f"{theirs} is {own} in the run" for theirs, own in self.renamed])
            found.append(f"{len(self.renamed)} categories of the same id have other names: {pairs}")
        return found


def match_categories(regions: Regions, known: Categories, by: MatchBy = "name") -> Matched:
    """Regions of any store with the categories of a network.

    Args:
        regions: regions to classify.
        known: categories of the network.
        by: what identifies a category: its name, or its id in the dataset.

    Raises:
        WorkbenchError: the ids of the network's categories are not known, or none is in the store.
    """
    theirs = Categories.of(regions.table.attrs)
    if by == "id" and not known.ids:
        raise WorkbenchError(
            "the ids of the run's categories", "their names alone", "give --categories name"
        )
    keys: Sequence[str | int] = theirs.names if by == "name" else theirs.ids
    wanted: Sequence[str | int] = known.names if by == "name" else known.ids
    numbers: dict[str | int, int] = {}
    for number, key in enumerate(wanted):
        numbers.setdefault(key, number)
    place = np.array([numbers.get(key, -1) for key in keys], np.int64)
    if not (place >= 0).any():
        other = "id" if by == "name" else "name"
        raise WorkbenchError(
            f"a category of the run, by its {by}: {_listed(wanted)}",
            f"none of them, but {_listed(keys)}",
            f"rename them in the dataset and write the store again, or give --categories {other}",
        )
    own = place[regions.categories]
    unknown, counts = np.unique(
        np.array(theirs.names, object)[regions.categories[own < 0]].astype(str), return_counts=True
    )
    there = regions.select(np.flatnonzero(own >= 0))
    if not len(there):
        raise WorkbenchError(
            "regions of a category that the run knows",
            f"{len(regions)} regions of others",
            "evaluate another split or store",
        )
    table = there.table.assign(category=("region", own[own >= 0].astype(np.int32)))
    common = [(i, int(n)) for i, n in enumerate(place) if n >= 0]
    return Matched(
        Regions(table, there.items, known.names),
        dict(zip(unknown.tolist(), counts.tolist(), strict=True)),
        tuple(name for n, name in enumerate(known.names) if n not in place),
        sum(i != n for i, n in common),
        tuple((theirs.names[i], known.names[n]) for i, n in common
              if theirs.names[i] != known.names[n]),
    )  # fmt: skip


def _listed(words: Sequence[str | int]) -> str:
    shown = ", ".join(str(word) for word in words[:SHOWN])
    return f"{shown} and {len(words) - SHOWN} others" if len(words) > SHOWN else shown
