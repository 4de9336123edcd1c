"""Small convolutional network for images of 32×32 pixels, with a block a tap.

Three blocks (convolution, batch normalisation, ReLU, from the second on maximum pooling) and a
linear classifier. At width 24 and ten classes it has 68,698 parameters.
"""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from workbench.data.augment import Normalisation
from workbench.errors import WorkbenchError

TAPS = ("block1", "block2", "block3", "logits")
"""Names of the layers whose outputs are looked at, in their order."""
CIFAR10 = Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
"""Standardisation by mean and deviation of CIFAR-10's training images."""
_REDUCTION = 8
"""Side of an image over the side of the last block's maps."""


class SmallCNN(nn.Module):
    """Classifier of small images by three convolutions; its weights are random.

    Args:
        width: channels of the first block; the second and third have two and four times as many.
        classes: number of classes.
        side: height and width of the images, a multiple of 8 pixels.

    Attributes:
        classes, side: as given.

    Raises:
        WorkbenchError: the side is no multiple of 8, or the width or the classes are too few.
    """

    def __init__(self, width: int = 24, classes: int = 10, side: int = 32) -> None:
        super().__init__()
        if width < 1 or classes < 2 or side < _REDUCTION or side % _REDUCTION:
            raise WorkbenchError(
                f"one channel or more, two classes or more, a side that {_REDUCTION} divides",
                f"{width} channels, {classes} classes, a side of {side} pixels",
                "correct them",
            )
        self.classes, self.side = classes, side
        self.block1 = block(3, width, size=4, stride=2)
        self.block2 = block(width, 2 * width).append(nn.MaxPool2d(2))
        self.block3 = block(2 * width, 4 * width).append(nn.MaxPool2d(2))
        self.logits = nn.Linear(4 * width * (side // _REDUCTION) ** 2, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # halves the time

    def forward(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch classes"]:
        """Logits of standardised images, see `prepare`."""
        found: Tensor = self.logits(self.embed(images))
        return found

    def embed(self, images: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch features"]:
        """Embedding of standardised images: what the classifier reads, flattened maps."""
        maps: Tensor = self.block3(self.block2(self.block1(images)))
        return maps.flatten(1)

    @staticmethod
    def prepare(pixels: UInt8[Tensor, "batch 3 y x"]) -> Float32[Tensor, "batch 3 y x"]:
        """Standardised images, the input of the network, in channels-last memory."""
        return CIFAR10(pixels.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def block(channels: int, out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU; with stride 1 the side of the maps stays."""
    return nn.Sequential(
        nn.Conv2d(channels, out, size, stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )
