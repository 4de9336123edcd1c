"""What a loader delivers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True, repr=False)
class Batch:
    """Regions on the device.

    Attributes:
        images: RGB, in channels-last memory; uint8, or float32 if the loader normalises.
        masks: which pixels are the object's; None if the regions were opened without.
        categories: contiguous from 0.
        indices: which of the dataset's regions these are, on the host.
        positions: theirs in the epoch's order. A position that is not below the number of regions
            is a repetition that makes ranks even: leave it out where it must not count twice.
    """

    images: UInt8[Tensor, "batch 3 y x"] | Float32[Tensor, "batch 3 y x"]
    masks: Bool[Tensor, "batch y x"] | None
    categories: Int64[Tensor, "batch"]
    indices: Int[np.ndarray, "batch"]
    positions: Int[np.ndarray, "batch"]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        images = f"{tuple(self.images.shape)} {str(self.images.dtype).removeprefix('torch.')}"
        masks = "" if self.masks is None else ", masks"
        kinds = len(self.categories.unique())
        return f"Batch(images={images}{masks}, {kinds} categories, device={self.images.device})"

    @property
    def tensors(self) -> list[Tensor]:
        """Everything that lies on the device."""
        return [t for t in (self.images, self.masks, self.categories) if t is not None]
