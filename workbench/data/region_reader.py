"""Readers of batches of regions by number: pixels, or a backbone's stored features.

Both readers have the same regions in the same order with the same mirroring: a training on features
takes the same steps as on pixels without shifts, except for the half precision of the stored
features.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from workbench.data.augment import Augmentation, Normalisation
from workbench.data.loader import Batch, Loader
from workbench.data.order import Schedule, draws
from workbench.data.regions import Regions


@dataclass(frozen=True)
class RegionBatch:
    """Batch of regions on the device, ready for a network.

    Attributes:
        seen: RGB frames in [0, 1], maps of a backbone, or vectors pooled from maps.
        masks: masks in the frame's pixels; None if the regions were opened without.
        categories: categories, contiguous from 0.
        positions: positions in the epoch's order, on the host; see `Batch.positions`.
    """

    seen: Float[Tensor, "batch *shape"]
    masks: Bool[Tensor, "batch y x"] | None
    categories: Int64[Tensor, "batch"]
    positions: Int[np.ndarray, "batch"]

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, chosen: slice | np.ndarray) -> "RegionBatch":
        """Part of the regions, by position in the batch."""
        index = chosen if isinstance(chosen, slice) else torch.from_numpy(chosen)
        return RegionBatch(
            self.seen[index],
            None if self.masks is None else self.masks[index],
            self.categories[index],
            self.positions[chosen],
        )


@runtime_checkable
class MapSource(Protocol):
    """Source of a backbone's maps of regions, or of vectors made from them."""

    def maps(
        self, regions: Regions, positions: np.ndarray, mirrored: Bool[np.ndarray, "batch"]
    ) -> Float[Tensor, "batch *shape"]:
        """Maps of some regions; see `RegionFeatures.maps`."""


@runtime_checkable
class RegionReader(Protocol):
    """Reader of batches by epoch and number."""

    def __len__(self) -> int:
        """Number of batches an epoch."""

    def read(self, epoch: int, index: int) -> RegionBatch:
        """Read a batch; fastest in sequential order."""

    def close(self) -> None:
        """End all prefetching."""


def batches_of(reader: RegionReader) -> Iterator[RegionBatch]:
    """Batches of the first epoch; the reader is closed at its end."""
    try:
        for index in range(len(reader)):
            yield reader.read(0, index)
    finally:
        reader.close()


class PixelReader:
    """Reader of frames, prefetched by a `Loader`.

    Args:
        loader: loader of the batches, used by this reader alone.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._reading: Iterator[Batch] | None = None
        self._next = (0, 0)

    def __len__(self) -> int:
        return len(self._loader)

    def read(self, epoch: int, index: int) -> RegionBatch:
        """Read a batch."""
        if self._reading is None or self._next != (epoch, index):
            self.close()
            place = {"epoch": epoch, "batches": index}
            self._loader.load_state_dict({**self._loader.state_dict(), **place})
            self._reading = iter(self._loader)
        batch = next(self._reading)
        self._next = (epoch, index + 1)
        if index + 1 == len(self):
            self.close()
        return RegionBatch(batch.images, batch.masks, batch.categories, batch.positions)

    def close(self) -> None:
        """End the threads of the loader."""
        if isinstance(self._reading, Generator):
            self._reading.close()
        self._reading = None


class FeatureReader:
    """Reader of a backbone's maps from a store.

    Args:
        regions: regions to read, with masks if these are needed.
        features: features of the regions; a `RegionFeatures` must be checked before.
        schedule: regions of each batch.
        mirror: probability of a mirror image.
        device: device of the batches.
    """

    def __init__(
        self,
        regions: Regions,
        features: MapSource,
        schedule: Schedule,
        mirror: float,
        device: torch.device,
    ) -> None:
        self._regions, self._features, self._schedule = regions, features, schedule
        self._mirror, self._device = mirror, device

    def __len__(self) -> int:
        return self._schedule.batches

    def read(self, epoch: int, index: int) -> RegionBatch:
        """Read a batch."""
        positions = self._schedule.positions(index)
        chosen = self._schedule.indices(epoch, index)
        mirrored = draws(self._schedule.seed, epoch, positions)[:, 0] < self._mirror
        masks = None
        if "mask" in self._regions.items:
            found = self._regions.items["mask"].gather(self._regions.slots[chosen]).astype(bool)
            found[mirrored] = found[mirrored, :, ::-1]
            masks = torch.from_numpy(found).to(self._device)
        categories = torch.from_numpy(self._regions.categories[chosen].astype(np.int64))
        return RegionBatch(
            self._features.maps(self._regions, chosen, mirrored).to(self._device),
            masks,
            categories.to(self._device),
            positions,
        )

    def close(self) -> None:
        """Do nothing: no threads prefetch."""


def region_reader(
    regions: Regions,
    schedule: Schedule,
    *,
    features: MapSource | None = None,
    augment: Augmentation | None = None,
    device: torch.device | str = "cpu",
) -> RegionReader:
    """Reader of regions by a schedule: of features where given, otherwise of pixels.

    Args:
        regions: regions to read, with or without masks.
        schedule: regions of each batch.
        features: stored features to read in place of pixels.
        augment: mirroring and shifts; features are only mirrored.
        device: device of the batches.
    """
    device = torch.device(device)
    if features is not None:
        return FeatureReader(
            regions, features, schedule, augment.mirror if augment else 0.0, device
        )
    loader = Loader(
        regions,
        schedule.batch_size,
        shuffle=schedule.shuffle,
        seed=schedule.seed,
        rank=schedule.rank,
        world_size=schedule.world_size,
        device=device,
        augment=augment,
        normalise=Normalisation(),
    )
    return PixelReader(loader)
