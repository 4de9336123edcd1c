"""Small convolutional network whose last maps are pooled in one of three ways, at equal parameters.

The blocks of `SmallCNN`, the third with two convolutions and without maximum pooling: at 32×32
pixels its maps have 8×8 cells. What follows them is that of the region classifiers
(`models.regions`), trained from scratch there as the paper's columns "(S)":

- "log": DeepO2P, log(XᵀX/cells + εI) of the cells' features X and a linear classifier;
- "average": mean of the cells' features and a linear classifier;
- "connected": AlexNet's maximum pooling (3×3 windows, stride 2), then two fully connected layers.

The number of parameters is that of "log" at this width: "average" has more channels in the last
convolution, "connected" fewer, and as many units in its layers as the parameters allow.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.layers.second_order_pooling import SecondOrderPooling
from workbench.models.scaling import Standardised
from workbench.models.small_cnn import SmallCNN, block

Pooling = Literal["log", "average", "connected"]
_LEAST = 16
"""Least side of an image, pixels: AlexNet's window needs maps of 4×4 cells, with some left over."""


class PooledCNN(SmallCNN):
    """Classifier of small images by four convolutions and a pooling; its weights are random.

    Call `calibrate` before the training: the vectors of "log" and "average" are standardised by
    constants of training images, as in the region classifiers.

    Args:
        pooling: kind of the pooling.
        width: channels of the first block; the second has twice as many, and so have the maps
            that "log" pools.
        classes: number of classes.
        side: height and width of the images, a multiple of 8 pixels, at least 16.

    Raises:
        WorkbenchError: width, classes or side are too small, or the side is no multiple of 8.
    """

    def __init__(
        self, pooling: Pooling, width: int = 24, classes: int = 10, side: int = 32
    ) -> None:
        if side < _LEAST:
            raise WorkbenchError(
                f"images of at least {_LEAST}×{_LEAST} pixels", f"{side}", "resize"
            )
        super().__init__(width, classes, side)
        cells = ((side // 4 - 3) // 2 + 1) ** 2
        channels, hidden = _sizes(pooling, width, classes, cells)
        self.block3 = block(2 * width, 2 * width).extend(block(2 * width, channels))
        self.pool: nn.Module
        self.scaling: nn.Module = nn.Identity()
        entries = channels
        if pooling == "connected":
            entries = channels * cells
            self.pool = nn.Sequential(nn.MaxPool2d(3, 2), nn.Flatten())
        else:
            if pooling == "log":
                entries = channels * (channels + 1) // 2
                self.pool = SecondOrderPooling("log", vectorised=True)
            else:
                self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.scaling = Standardised(entries, float(channels), each=False)
        self.connected = nn.Sequential()
        for size in hidden:
            self.connected.append(_connected(entries, size)).append(nn.ReLU())
            entries = size
        self.logits = nn.Linear(entries, classes)
        nn.init.normal_(self.logits.weight, std=0.01)
        nn.init.zeros_(self.logits.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised images, see `prepare`."""
        found: Tensor = self.logits(self.connected(self.scaling(self.pooled(images))))
        return found

    def pooled(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch entries"]:
        """Pooled vectors before scaling, in float32 at least; the logarithm computes in float64."""
        maps = self.block3(self.block2(self.block1(images)))
        with torch.autocast(maps.device.type, enabled=False):
            low = maps.dtype in (torch.bfloat16, torch.float16)
            found: Tensor = self.pool(maps.float() if low else maps)
        return found

    def calibrate(self, batches: Iterable[Float[Tensor, "_ 3 y x"]]) -> None:
        """Fix the scale of the pooled vector on training images; nothing where it has none.

        Args:
            batches: standardised images; the network should have their batch statistics.

        Raises:
            WorkbenchError: see `Standardised.calibrate`.
        """
        if isinstance(self.scaling, Standardised):
            self.eval()
            with torch.no_grad():
                self.scaling.calibrate(self.pooled(images) for images in batches)


def _connected(entries: int, size: int) -> nn.Linear:
    """Layer whose outputs have about unit mean square, of inputs that have it."""
    layer = nn.Linear(entries, size)
    nn.init.normal_(layer.weight, std=(2 / entries) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer


def _sizes(pooling: Pooling, width: int, classes: int, cells: int) -> tuple[int, tuple[int, ...]]:
    """Channels of the maps, and units of the fully connected layers.

    Args:
        pooling, width, classes: as the network has them.
        cells: cells of the grid that "connected" keeps apart.
    """
    most = 16 * width
    channels = 2 * width
    own = partial(_parameters, width=width, classes=classes)
    target = own(channels, channels * (channels + 1) // 2)
    if pooling == "log":
        return channels, ()
    if pooling == "average":
        return min(range(1, most), key=lambda c: abs(own(c, c) - target)), ()
    channels = max(4 * width // 3, 1)
    units = min(range(1, most), key=lambda h: abs(own(channels, channels * cells, h) - target))
    return channels, (units, units)


def _parameters(channels: int, entries: int, units: int = 0, *, width: int, classes: int) -> int:
    """Parameters that depend on channels, entries of the pooled vector and units of two layers."""
    convolution = 9 * 2 * width * channels + 2 * channels
    if not units:
        return convolution + (entries + 1) * classes
    return convolution + (entries + 1) * units + (units + 1) * (units + classes)
