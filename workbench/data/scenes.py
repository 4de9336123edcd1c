"""Scenes of a store as torch samples: images with all their human segmentations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from pipelines.store import open_store
from workbench.data.sheet import Tile, contact_sheet, evenly_spaced, facts_table, outline_of
from workbench.errors import WorkbenchError

_SHEET = 8
"""Number of scenes on a contact sheet."""


@dataclass(frozen=True)
class Scene:
    """Scene: an image with the segmentations of its annotators.

    Attributes:
        id: name of the image in its dataset.
        pixels: (height, width, 3) uint8 RGB.
        truths: (annotators, height, width) int64 label maps, labels ≥ 1; no annotators where the
            store has no label maps.
    """

    id: str
    pixels: UInt8[np.ndarray, "height width 3"]
    truths: Int[Tensor, "annotators height width"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def image(self) -> Float[Tensor, "3 height width"]:
        """Image, RGB in [0, 1], float32."""
        return torch.from_numpy(self.pixels).permute(2, 0, 1).float() / 255

    def flipped(self) -> "Scene":
        """Mirrored scene."""
        return Scene(self.id, np.ascontiguousarray(self.pixels[:, ::-1]), self.truths.flip(2))

    def scaled(self, factor: float) -> "Scene":
        """Scene at another size: the image with antialiasing, labels by nearest neighbour."""
        height, width = (max(1, round(side * factor)) for side in self.size)
        image = interpolate(
            self.image[None], (height, width), mode="bilinear", antialias=True, align_corners=False
        )[0]
        pixels = (image.permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()
        y = ((torch.arange(height) + 0.5) / factor).long().clamp(0, self.size[0] - 1)
        x = ((torch.arange(width) + 0.5) / factor).long().clamp(0, self.size[1] - 1)
        return Scene(self.id, pixels, self.truths[:, y[:, None], x])

    def cropped(self, top: int, left: int, height: int, width: int) -> "Scene":
        """Part of the scene, in pixels; segments at its border may fall apart."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        pixels = np.ascontiguousarray(self.pixels[rows, columns])
        return Scene(self.id, pixels, self.truths[:, rows, columns].contiguous())

    def tile(self) -> Tile:
        """Tile of the scene for a contact sheet, with its first annotator's segments outlined."""
        if not len(self.truths):
            return Tile(self.pixels, self.id)
        caption = f"{self.id}, {len(self.truths)} annotators"
        return Tile(self.pixels, caption, outline_of(self.truths[0].numpy()))

    def _repr_html_(self) -> str:
        return contact_sheet([self.tile()])


def label_maps(row: xr.Dataset) -> Int[np.ndarray, "annotators height width"]:
    """Label maps of a row of a store of scenes, int64; none where the store has no label maps."""
    height, width = int(row["height"]), int(row["width"])
    if "label" not in row:
        return np.zeros((0, height, width), np.int64)
    drawn = slice(int(row["annotators"]))
    labels = row["label"].isel(annotator=drawn, y=slice(height), x=slice(width))
    return np.asarray(labels.values, np.int64)


class Scenes:
    """Scenes of a split, or a part of them, in the store's order; scenes are read on demand.

    Args:
        dataset: dataset of `pipelines.store.open_store`.
        indices: positions in the dataset.
    """

    def __init__(self, dataset: xr.Dataset, indices: np.ndarray) -> None:
        self.dataset = dataset
        self.indices = indices

    @classmethod
    def open(cls, store: Path | str, split: str | None = None) -> "Scenes":
        """Open the scenes of one split, or of all.

        Raises:
            pipelines.errors.PipelineError: there is no finished store of scenes at that path.
            WorkbenchError: the store has no such split, or no scene at all.
        """
        dataset = open_store(store)
        splits = dataset["split"].values
        indices = np.flatnonzero((splits == split) | (split is None))
        if not len(splits):
            raise WorkbenchError(
                f"scenes in {store}",
                "none that could be read",
                f"see why: python -m pipelines status --store {store}",
            )
        if not len(indices):
            raise WorkbenchError(
                f"a split out of {', '.join(sorted(set(splits.tolist())))} in {store}",
                repr(split),
                "name one of them with --split, or all",
            )
        return cls(dataset, indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Scene:
        row = self.dataset.isel(scene=int(self.indices[position]))
        height, width = int(row["height"]), int(row["width"])
        image = row["image"].isel(y=slice(height), x=slice(width)).values
        truths = torch.from_numpy(label_maps(row))
        return Scene(str(row["id"].item()), image, truths)

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"{len(self)} scenes: {', '.join(self.ids[:4])}{' …' if len(self) > 4 else ''}"

    def _repr_html_(self) -> str:
        rows = self.dataset.isel(scene=self.indices)
        splits = dict.fromkeys(rows["split"].values.tolist())
        about = {"scenes": len(self), "splits": ", ".join(splits)}
        if "annotators" in rows:
            annotators = rows["annotators"].values
            about["annotators"] = f"{annotators.min()} to {annotators.max()}"
        tiles = [self[position].tile() for position in evenly_spaced(len(self), _SHEET)]
        return facts_table("Scenes", about) + contact_sheet(tiles)

    @property
    def ids(self) -> list[str]:
        """Names of the images, in order."""
        return [str(i) for i in self.dataset["id"].values[self.indices]]

    def annotated(self) -> "Scenes":
        """The same scenes.

        Raises:
            WorkbenchError: the store has no label maps.
        """
        if "label" not in self.dataset:
            raise WorkbenchError(
                "scenes with label maps",
                "a store of images alone",
                "give a store of BSDS or COCO; workbench.probe needs no label maps",
            )
        return self

    def first(self, count: int | None) -> "Scenes":
        """First `count` scenes, or all."""
        return Scenes(self.dataset, self.indices[:count])

    def hold_out(self, count: int, seed: int) -> tuple["Scenes", "Scenes"]:
        """Split off a random part: the remaining scenes, and the held-out part.

        Raises:
            WorkbenchError: no scene would remain.
        """
        if not 0 <= count < len(self):
            raise WorkbenchError(
                f"fewer than {len(self)} scenes to hold out", f"{count}", "lower --holdout"
            )
        order = np.random.default_rng(seed).permutation(self.indices)
        kept, held = np.sort(order[count:]), np.sort(order[:count])
        return Scenes(self.dataset, kept), Scenes(self.dataset, held)
