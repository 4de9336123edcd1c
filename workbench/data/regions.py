"""Regions of a store: objects cut out of images, with masks and categories."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from pipelines.store import open_items, open_store, valid_slots
from workbench.data.samples import Samples
from workbench.data.sheet import Tile, contact_sheet, evenly_spaced, facts_table, outline_of
from workbench.errors import WorkbenchError

FIELDS = ("image", "mask")
"""Arrays with pixels of a region."""
_SHEET = 12
"""Number of regions on a contact sheet."""


@dataclass(frozen=True)
class Region:
    """Region: one object in its frame.

    Attributes:
        pixels: (y, x, 3) uint8 RGB, 0 outside the crop.
        mask: mask of the object; None if masks were not requested.
        category: name of the category.
        image_id, annotation_id: ids of the dataset.
    """

    pixels: UInt8[np.ndarray, "y x 3"]
    mask: Bool[np.ndarray, "y x"] | None
    category: str
    image_id: int
    annotation_id: int

    def tile(self) -> Tile:
        """Tile of the region for a contact sheet, with its mask outlined."""
        return Tile(
            self.pixels, self.category, outline_of(self.mask) if self.mask is not None else None
        )

    def _repr_html_(self) -> str:
        return contact_sheet([self.tile()])


class Regions(Samples):
    """Regions of a store, or a part of them, in the store's order; pixels are read on demand.

    `table`, `items`, `names`, `slots` and `categories` are those of `Samples`.
    """

    dimension = "region"

    @classmethod
    def open(
        cls, store: Path | str, split: str | None = None, fields: Sequence[str] = FIELDS
    ) -> "Regions":
        """Open the regions of one split, or of all.

        Args:
            store: folder or URL of a finished store of regions.
            split: name of a split, `train` for example; None: all splits.
            fields: pixel arrays to read: `image`, and optionally `mask`.

        Raises:
            pipelines.errors.PipelineError: there is no finished store at that path.
            WorkbenchError: the store holds something else, no valid region, or no such split.
        """
        dataset = open_store(store)
        if "region" not in dataset.dims:
            raise WorkbenchError(
                f"a store of regions in {store}",
                f"one with the dimensions {', '.join(map(str, dataset.dims))}",
                "write one: python -m pipelines run coco --root <dataset> --store <store>",
            )
        if "image" not in fields or not set(fields) <= set(FIELDS):
            raise WorkbenchError(
                "the fields image, or image and mask", ", ".join(fields), "name these"
            )
        splits = dataset["split"].values
        if not len(splits):
            raise WorkbenchError(
                f"valid regions in {store}",
                "none: every annotation was left out or in quarantine",
                f"see why: python -m pipelines status --store {store}",
            )
        rows = np.flatnonzero(splits == split) if split is not None else np.arange(len(splits))
        if not len(rows):
            raise WorkbenchError(
                f"a split out of {', '.join(sorted(set(splits.tolist())))} in {store}",
                repr(split),
                "name one of them, or take all",
            )
        table = dataset.drop_vars(FIELDS).assign(slot=("region", valid_slots(store)))
        items = {name: open_items(store, name) for name in fields}
        names = [category["name"] for category in dataset.attrs["categories"]]
        return cls(table.isel(region=rows), items, names)

    def __getitem__(self, position: int) -> Region:
        if not -len(self) <= position < len(self):
            raise IndexError(f"a region from 0 to {len(self) - 1} expected, {position} found")
        row = self.table.isel(region=position)
        slots = np.array([row["slot"]])
        read = {name: items.gather(slots)[0] for name, items in self.items.items()}
        return Region(
            read["image"],
            read["mask"].astype(bool) if "mask" in read else None,
            self.names[int(row["category"])],
            int(row["image_id"]),
            int(row["annotation_id"]),
        )

    def __iter__(self) -> Iterator[Region]:
        return (self[i] for i in range(len(self)))

    def select(self, positions: np.ndarray | slice) -> "Regions":
        """Select regions by position, or by a mask."""
        return Regions(self.table.isel(region=positions), self.items, self.names)

    def split_by_image(self, fractions: Sequence[float], seed: int) -> tuple["Regions", ...]:
        """Split into parts that share no image, each with about its fraction of the images.

        Args:
            fractions: fraction of each part, with a sum of 1.
            seed: seed of the random choice.

        Raises:
            WorkbenchError: the fractions do not sum to 1, or a part would be empty.
        """
        images = np.unique(self.table["image_id"].values)
        edges = np.rint(np.cumsum([0.0, *fractions]) * len(images)).astype(int)
        if edges[-1] != len(images) or not np.isclose(sum(fractions), 1):
            raise WorkbenchError("fractions with a sum of 1", f"{list(fractions)}", "scale them")
        if (np.diff(edges) < 1).any():
            raise WorkbenchError(
                "at least one image in every part",
                f"{list(fractions)} of {len(images)} images",
                "raise the smallest fraction, or take more images",
            )
        shuffled = np.random.default_rng(seed).permutation(images)
        parts = (shuffled[start:stop] for start, stop in pairwise(edges))
        return tuple(self.select(np.isin(self.table["image_id"].values, part)) for part in parts)

    def __repr__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in self._facts().items())

    def _repr_html_(self) -> str:
        counts = self.counts().head(10)
        frequent = ", ".join(f"{name} {count}" for name, count in counts.items())
        tiles = [self[position].tile() for position in evenly_spaced(len(self), _SHEET)]
        rows = {**self._facts(), "most frequent": frequent}
        return facts_table("Regions", rows) + contact_sheet(tiles)

    def _facts(self) -> dict[str, object]:
        return {
            "regions": len(self),
            "images": len(np.unique(self.table["image_id"].values)),
            "categories": len(np.unique(self.categories)),
            "splits": "/".join(dict.fromkeys(self.table["split"].values.tolist())),
        }
