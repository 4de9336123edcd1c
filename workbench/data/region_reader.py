"""Batches of regions by number, as a training loop asks for them: pixels, or a backbone's features.

Both readers see the same regions in the same order, mirrored by the same coins: a training on
features takes the steps that it would take on pixels without shifts, but for the half precision of
the stored features.
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
    """Regions on the device, ready for a network.

    Attributes:
        seen: RGB frames in [0, 1], the maps of a backbone, or vectors that were pooled from these.
        masks: in the frame's pixels; None if the regions were opened without.
        categories: contiguous from 0.
        positions: in the epoch's order, on the host; see `Batch.positions`.
    """

    seen: Float[Tensor, "batch *shape"]
    masks: Bool[Tensor, "batch y x"] | None
    categories: Int64[Tensor, "batch"]
    positions: Int[np.ndarray, "batch"]

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, chosen: slice | np.ndarray) -> "RegionBatch":
        """Some of the regions, by position in the batch."""
        index = chosen if isinstance(chosen, slice) else torch.from_numpy(chosen)
        return RegionBatch(
            self.seen[index],
            None if self.masks is None else self.masks[index],
            self.categories[index],
            self.positions[chosen],
        )


@runtime_checkable
class MapSource(Protocol):
    """Has a backbone's maps of regions, or what was made of them."""

    def maps(
        self, regions: Regions, positions: np.ndarray, mirrored: Bool[np.ndarray, "batch"]
    ) -> Float[Tensor, "batch *shape"]:
        """Those of some regions; see `RegionFeatures.maps`."""


@runtime_checkable
class RegionReader(Protocol):
    """Reads batches by epoch and number."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def read(self, epoch: int, index: int) -> RegionBatch:
        """A batch; fastest when batches are asked for one after the other."""

    def close(self) -> None:
        """End what reads ahead."""


def batches_of(reader: RegionReader) -> Iterator[RegionBatch]:
    """The first epoch, batch after batch; the reader is closed at its end."""
    try:
        for index in range(len(reader)):
            yield reader.read(0, index)
    finally:
        reader.close()


class PixelReader:
    """Frames, read ahead by a `Loader`.

    Args:
        loader: whose batches these are. Nobody else is to read from it.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._reading: Iterator[Batch] | None = None
        self._next = (0, 0)

    def __len__(self) -> int:
        return len(self._loader)

    def read(self, epoch: int, index: int) -> RegionBatch:
        """A batch."""
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
        """End the threads that read ahead."""
        if isinstance(self._reading, Generator):
            self._reading.close()
        self._reading = None


class FeatureReader:
    """A backbone's maps, from a store.

    Args:
        regions: to read; with their masks, if these are wanted.
        features: of theirs; a `RegionFeatures` is to be checked before.
        schedule: which regions each batch holds.
        mirror: probability of a mirror image.
        device: where the batches are wanted.
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
        """A batch."""
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
        """Nothing reads ahead: items are memory as they stand."""


def region_reader(
    regions: Regions,
    schedule: Schedule,
    *,
    features: MapSource | None = None,
    augment: Augmentation | None = None,
    device: torch.device | str = "cpu",
) -> RegionReader:
    """The reader of a part of the regions.

    Args:
        regions: to read, with masks or not.
        schedule: which of them each batch holds.
        features: read these in place of pixels.
        augment: mirrors and shifts; of features, mirrors.
        device: where the batches are wanted.
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
