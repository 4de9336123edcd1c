"""Augmentation and normalisation of whole batches, on the device that holds them.

Random numbers are arguments (`order.draws`): the same visit of a sample looks the same after a
resumed training, on any device and with any number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor
from torch.nn.functional import pad

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Augmentation:
    """Augmentation by mirroring and by shifts of whole pixels; no pixel changes its value.

    Pixels that move out of the frame are lost, new ones are 0 like the frame's padding.

    Attributes:
        mirror: probability of a mirror image.
        jitter: the largest shift in pixels, down or up, right or left.
    """

    mirror: float = 0.5
    jitter: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.mirror <= 1 or self.jitter < 0:
            raise WorkbenchError(
                "mirror from 0 to 1 and jitter from 0 pixels",
                f"mirror={self.mirror}, jitter={self.jitter}",
                "keep within these",
            )

    def __call__(
        self, planes: Sequence[Tensor], numbers: Float[Tensor, "batch draws"]
    ) -> list[Tensor]:
        """Augment all planes of a batch alike.

        Args:
            planes: each (batch, y, x) or (batch, y, x, channel), contiguous, on one device.
            numbers: in [0, 1), three or more a sample, on the host.
        """
        mirrored = numbers[:, 0] < self.mirror
        shifts = (numbers[:, 1:3] * (2 * self.jitter + 1)).long() - self.jitter
        # One kernel for the batch on a GPU; on the host, which is limited by memory bandwidth, a
        # copy for each sample is a dozen times faster than gathering by pixel.
        move = move_each if planes[0].device.type == "cpu" else move_together
        return [move(plane, mirrored, shifts) for plane in planes]


def move_each(plane: Tensor, mirrored: Tensor, shifts: Int[Tensor, "batch 2"]) -> Tensor:
    """Mirror and then shift samples, one after the other.

    Args:
        plane: (batch, y, x, …).
        mirrored: (batch,) bool.
        shifts: pixels down and to the right.
    """
    moved = torch.zeros_like(plane)
    height, width = plane.shape[1:3]
    for sample, target, mirror, (down, right) in zip(
        plane, moved, mirrored.tolist(), shifts.tolist(), strict=True
    ):
        rows, columns = _overlap(height, down), _overlap(width, right)
        source = sample.flip(1) if mirror else sample
        target[rows[1], columns[1]] = source[rows[0], columns[0]]
    return moved


def move_together(plane: Tensor, mirrored: Tensor, shifts: Int[Tensor, "batch 2"]) -> Tensor:
    """Mirror and shift as `move_each`, in one gather over the batch."""
    device = plane.device
    height, width = plane.shape[1:3]
    margin = int(shifts.abs().max())
    around = (margin, margin, margin, margin)
    padded = pad(plane, around if plane.ndim == 3 else (0, 0, *around))
    # The upload does not wait for the device.
    mirrored, shifts = (t.to(device, non_blocking=True) for t in (mirrored, shifts))
    rows = torch.arange(height, device=device) - shifts[:, :1]
    columns = torch.arange(width, device=device) - shifts[:, 1:]
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    samples = torch.arange(len(plane), device=device)
    gathered: Tensor = padded[
        samples[:, None, None], (rows + margin)[:, :, None], (columns + margin)[:, None, :]
    ]
    return gathered


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Source and target slices of the part that stays in a frame of `size` moved by `shift`."""
    shift = max(-size, min(size, shift))
    return slice(max(-shift, 0), size - max(shift, 0)), slice(max(shift, 0), size + min(shift, 0))


@dataclass(frozen=True)
class Normalisation:
    """Normalisation of uint8 images to float32: (pixels / 255 − mean) / std, by channel.

    The default only scales to [0, 1], as the backbones expect.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __call__(
        self, images: UInt8[Tensor, "*batch channel"]
    ) -> Float32[Tensor, "*batch channel"]:
        """Normalised images, channels last."""
        normalised = images.to(torch.float32).div_(255)
        if any(self.mean) or set(self.std) != {1.0}:  # the default skips this, in half the time
            mean, std = torch.tensor(self.mean), torch.tensor(self.std)
            mean, std = (t.to(images.device, non_blocking=True) for t in (mean, std))
            normalised.sub_(mean).div_(std)
        return normalised
