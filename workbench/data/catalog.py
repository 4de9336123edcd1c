"""Catalog of a store for browsing: a table to filter, thumbnails, origins of the items.

The table is in memory, pixels stay on the disk until an item is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from pipelines.store import Origin, Origins, open_store, valid_slots
from workbench.data.scenes import label_maps
from workbench.data.sheet import OUTLINE, outline_of
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Item:
    """Item of a store at full size.

    Attributes:
        pixels: (height, width, 3) RGB.
        layers: (layers, height, width): the segments of each annotator, or one mask; or none.
        facts: values of the item's row in the table, by name.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    layers: Int[np.ndarray, "layers height width"]
    facts: dict[str, object]

    def outlined(self, layer: int) -> UInt8[np.ndarray, "height width 3"]:
        """Image with the outlines of a layer; the plain image past the last layer."""
        if layer >= len(self.layers):
            return self.pixels
        return np.where(outline_of(self.layers[layer])[..., None], OUTLINE, self.pixels)


class Catalog:
    """Catalog of a store of scenes, regions or small images, in the store's order.

    Args:
        store: folder or URL of a finished store.

    Attributes:
        dataset: dataset of `pipelines.store.open_store`.
        kind: "scene", "region" or "image".

    Raises:
        pipelines.errors.PipelineError: there is no finished store at that path.
        WorkbenchError: the store holds no images, only features.
    """

    def __init__(self, store: Path | str) -> None:
        self.store = store
        self.dataset: xr.Dataset = open_store(store)
        self.kind = str(self.dataset["valid"].dims[0])
        if "image" not in self.dataset:
            raise WorkbenchError(
                f"a store of scenes, regions or images in {store}",
                f"one with {', '.join(map(str, self.dataset.attrs['pixels']))}",
                "browse the store that its images are in",
            )
        self.slots: Int[np.ndarray, items] = valid_slots(store)
        self.names = [str(each["name"]) for each in self.dataset.attrs["categories"]]
        self.origins = Origins(store)

    def __len__(self) -> int:
        return len(self.slots)

    def __repr__(self) -> str:
        lost = len(self.origins.quarantined)
        return f"Catalog({str(self.store)!r}: {len(self)} {self.kind}s, {lost} quarantined)"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Table with a row for each item and a column for each scalar value."""
        pixels = set(self.dataset.attrs["pixels"])
        columns = {
            str(name): variable.values
            for name, variable in self.dataset.variables.items()
            if variable.ndim == 1 and name not in pixels and variable.dims[0] == self.kind
        }
        return pd.DataFrame(columns).drop(columns="valid").assign(slot=self.slots)

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in the store's order."""
        return list(dict.fromkeys(self.dataset["split"].values.tolist()))

    @cached_property
    def categories(self) -> list[str]:
        """Names of the categories that some item has, in the dataset's order."""
        if not self.names:
            return []
        return [name for i, name in enumerate(self.names) if self._has(i).any()]

    @cached_property
    def annotators(self) -> list[int]:
        """Numbers of annotators that scenes have, ascending; empty where nobody drew."""
        if "annotators" not in self.dataset:
            return []
        return sorted(set(self.dataset["annotators"].values.tolist()))

    def select(
        self,
        split: str | None = None,
        category: str | None = None,
        annotators: int | None = None,
    ) -> Int[np.ndarray, "selected"]:
        """Positions of the items that meet all conditions.

        Args:
            split: name of a split; None: any.
            category: category of a region, or of an object in a scene; None: any.
            annotators: number of annotators; None: any.

        Raises:
            WorkbenchError: the store has no such split or category.
        """
        chosen = np.ones(len(self), bool)
        if split is not None:
            _known(split, self.splits, "split")
            chosen &= self.dataset["split"].values == split
        if category is not None:
            _known(category, self.names, "category")
            chosen &= self._has(self.names.index(category))
        if annotators is not None:
            _known(annotators, self.annotators, "number of annotators")
            chosen &= self.dataset["annotators"].values == annotators
        return np.flatnonzero(chosen)

    def item(self, position: int) -> Item:
        """Read an item from the store.

        Raises:
            pipelines.errors.StoreError: the item is damaged.
        """
        row = self.dataset.isel({self.kind: position})
        height, width = int(row["height"]), int(row["width"])
        facts = {str(k): v for k, v in self.table.iloc[position].items() if k != "slot"}
        if self.kind == "scene":
            pixels = row["image"].isel(y=slice(height), x=slice(width)).values
            return Item(pixels, label_maps(row), facts)
        facts["category"] = self.names[int(row["category"])]
        if self.kind == "image":
            return Item(row["image"].values, np.zeros((0, height, width), np.int64), facts)
        return Item(row["image"].values, row["mask"].values.astype(np.int64)[None], facts)

    def thumbnail(self, position: int, side: int) -> UInt8[np.ndarray, "side side 3"]:
        """Image of an item in the middle of a white square of `side` pixels; errors as `item`."""
        row = self.dataset.isel({self.kind: position})
        pixels = row["image"].values
        if self.kind == "scene":
            pixels = pixels[: int(row["height"]), : int(row["width"])]
        picture = Image.fromarray(pixels)
        if (factor := side // max(picture.size)) > 1:  # small images: whole pixels
            size = picture.width * factor, picture.height * factor
            picture = picture.resize(size, Image.Resampling.NEAREST)
        picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        square = Image.new("RGB", (side, side), "white")
        square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        return np.array(square)

    def name(self, position: int) -> str:
        """Display name of an item."""
        row = self.table.iloc[position]
        if self.kind == "scene":
            return str(row["id"])
        own = row["annotation_id"] if self.kind == "region" else str(row["id"]).rpartition("/")[2]
        return f"{self.names[int(row['category'])]} {own}"

    def origin(self, position: int) -> Origin:
        """Origin of an item: raw file, its SHA-256, and the pipeline's unit that read it."""
        row = self.table.iloc[position]
        return self.origins.of(int(row["slot"]), str(row["image_source"]), str(row["image_sha256"]))

    def _has(self, number: int) -> Bool[np.ndarray, "items"]:
        """Mask of the items that are of a category, or show an object of it."""
        found = self.dataset["category"].values == number
        if found.ndim == 1:
            return np.asarray(found)
        there = np.arange(found.shape[1]) < self.dataset["instances"].values[:, None]
        return np.asarray((found & there).any(axis=1))


def _known(asked: object, there: Sequence[object], what: str) -> None:
    if asked not in there:
        raise WorkbenchError(
            f"a {what} out of {', '.join(map(str, there)) or 'none'}", repr(asked), "name another"
        )
