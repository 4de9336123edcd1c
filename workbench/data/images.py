"""Images of a store of small images: one category each, pixels and features as tensors."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64, UInt8
from torch import Tensor

from pipelines.store import open_items, open_store, valid_slots
from workbench.data.samples import Samples
from workbench.data.sheet import Tile, contact_sheet, evenly_spaced, facts_table
from workbench.errors import WorkbenchError

_SHEET = 20
"""Number of images on a contact sheet."""


@dataclass(frozen=True)
class LabelledImage:
    """Image of one category.

    Attributes:
        id: name of the image in its dataset.
        pixels: (y, x, 3) uint8 RGB.
        category: name of the category.
    """

    id: str
    pixels: UInt8[np.ndarray, "y x 3"]
    category: str

    def tile(self) -> Tile:
        """Tile of the image for a contact sheet."""
        return Tile(self.pixels, self.category)

    def _repr_html_(self) -> str:
        return contact_sheet([self.tile()])


@dataclass(frozen=True)
class ImageParts:
    """Parts of a set of images for retrieval.

    Attributes:
        queries: images that are searched with, equally many of each category.
        database: all others.
        labelled: images of the database whose categories may be used, equally many of each.
    """

    queries: "Images"
    database: "Images"
    labelled: "Images"


class Images(Samples):
    """Images of a store, or a part of them, in the store's order; pixels are read on demand.

    `table`, `items`, `names`, `slots` and `categories` are those of `Samples`. A `Loader` reads
    batches of them; `pixels` and `vectors` read all at once.

    Attributes:
        taps: names of the arrays of features in the store, as in ("gist",); none in a store of
            images alone.
    """

    dimension = "image"

    @classmethod
    def open(cls, store: Path | str, split: str | None = None) -> "Images":
        """Open the images of one split, or of all.

        Args:
            store: folder or URL of a finished store of images, with features or without.
            split: name of a split, `train` for example; None: all splits.

        Raises:
            pipelines.errors.PipelineError: there is no finished store at that path.
            WorkbenchError: the store holds something else, or has no such split.
        """
        dataset = open_store(store)
        if "image" not in dataset.dims:
            raise WorkbenchError(
                f"a store of small images in {store}",
                f"one with the dimensions {', '.join(map(str, dataset.dims))}",
                "write one: python -m pipelines run cifar10 --root <dataset> --store <store>",
            )
        table = dataset.drop_vars(dataset.attrs["pixels"])
        table = table.assign(slot=("image", valid_slots(store)))
        names = [category["name"] for category in dataset.attrs["categories"]]
        found = cls(table, {"image": open_items(store, "image")}, names)
        return found if split is None else found.split(split)

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the arrays of features in the store."""
        joined = str(self.table.attrs.get("taps", ""))
        return tuple(filter(None, joined.split("+")))

    @property
    def labels(self) -> Int64[Tensor, "images"]:
        """Categories, contiguous from 0."""
        return torch.from_numpy(self.categories.astype(np.int64))

    @property
    def train(self) -> "Images":
        """Images of the split `train`."""
        return self.split("train")

    @property
    def test(self) -> "Images":
        """Images of the split `test`."""
        return self.split("test")

    def split(self, name: str) -> "Images":
        """Images of a split.

        Raises:
            WorkbenchError: there is no such split, or none of its images is selected.
        """
        splits = self.table["split"].values
        chosen = np.flatnonzero(splits == name)
        if not len(chosen):
            there = ", ".join(dict.fromkeys(splits.tolist())) or "none"
            raise WorkbenchError(f"a split out of {there}", repr(name), "name one of them")
        return self.select(chosen)

    def select(self, positions: np.ndarray | slice) -> "Images":
        """Select images by position, or by a mask."""
        return Images(self.table.isel(image=positions), self.items, self.names)

    def pixels(self) -> UInt8[Tensor, "images 3 y x"]:
        """Read all images into memory: RGB, in channels-last memory.

        Raises:
            pipelines.errors.StoreError: an image is missing or damaged.
        """
        return torch.from_numpy(self.items["image"].gather(self.slots)).permute(0, 3, 1, 2)

    def vectors(self, tap: str | None = None) -> Float32[Tensor, "images entries"]:
        """Read the features of all images into memory, flattened: channels, rows, columns.

        Args:
            tap: name of an array of features; None: the store's only one.

        Raises:
            WorkbenchError: the store has no such features, or several.
            pipelines.errors.StoreError: an item is missing or damaged.
        """
        if tap is None and len(self.taps) == 1:
            tap = self.taps[0]
        if tap not in self.taps:
            raise WorkbenchError(
                f"features out of {', '.join(self.taps) or 'none'} in {self.items['image'].path}",
                repr(tap),
                "name one, or write a store with features: "
                "python -m pipelines run cifar10 --features gist --store <store>",
            )
        found = open_items(self.items["image"].path, str(tap)).gather(self.slots)
        return torch.from_numpy(found.reshape(len(found), -1).astype(np.float32))

    def parts(self, *, queries: int = 100, labelled: int = 200, seed: int = 0) -> ImageParts:
        """Split into queries and database for retrieval, and draw images with labels.

        Args:
            queries: number of queries of each category.
            labelled: number of images of the database of each category whose labels are used.
            seed: seed of the random choice.

        Raises:
            WorkbenchError: a category has too few images.
        """
        counts = self.counts()
        if queries < 1 or labelled < 0 or counts.min() < queries + max(labelled, 1):
            raise WorkbenchError(
                f"at least {queries} + {labelled} images of each category, one query or more",
                f"{counts.min()} of {counts.idxmin()}",
                "lower queries or labelled, or take more images",
            )
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        by_category = [order[self.categories[order] == k] for k in range(len(self.names))]
        asked = np.sort(np.concatenate([found[:queries] for found in by_category]))
        known = [found[queries : queries + labelled] for found in by_category]
        rest = np.setdiff1d(np.arange(len(self)), asked)
        chosen = np.sort(np.concatenate(known))
        return ImageParts(self.select(asked), self.select(rest), self.select(chosen))

    def __getitem__(self, position: int) -> LabelledImage:
        if not -len(self) <= position < len(self):
            raise IndexError(f"an image from 0 to {len(self) - 1} expected, {position} found")
        row = self.table.isel(image=position)
        pixels = self.items["image"].gather(np.array([row["slot"]]))[0]
        return LabelledImage(str(row["id"].item()), pixels, self.names[int(row["category"])])

    def __iter__(self) -> Iterator[LabelledImage]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in self._facts().items())

    def _repr_html_(self) -> str:
        tiles = [self[position].tile() for position in evenly_spaced(len(self), _SHEET)]
        return facts_table("Images", self._facts()) + contact_sheet(tiles)

    def _facts(self) -> dict[str, object]:
        splits: Int[np.ndarray, splits] = self.table["split"].values
        return {
            "images": len(self),
            "categories": len(np.unique(self.categories)),
            "splits": "/".join(dict.fromkeys(splits.tolist())),
            "features": "/".join(self.taps) or "no",
        }
