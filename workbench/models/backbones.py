"""AlexNet's and VGG-16's convolutions, cut at any ReLU.

Layers and parameter names are torchvision's (`features.0.weight` …), so that its ImageNet weights
load. A tap is named after its ReLU: `relu1` … `relu5` in AlexNet, `relu1_1` … `relu5_3` in VGG-16.
There `relu4` and `relu5` mean the paper's taps, the first ReLU of block 4 and the last of block 5.
A backbone may have several taps, whose maps are fused later (`models.hypercolumn`).
`tiny` is for demonstrations and tests: it has no pretrained weights and learns in a minute.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.segmentation.grid import Grid


def _alexnet() -> tuple[list[nn.Module], dict[str, int]]:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
    ]
    return layers, {"relu1": 1, "relu2": 4, "relu3": 7, "relu4": 9, "relu5": 11}


def _vgg16() -> tuple[list[nn.Module], dict[str, int]]:
    layers: list[nn.Module] = []
    taps: dict[str, int] = {}
    channels = 3
    for block, (width, depth) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for unit in range(1, depth + 1):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            taps[f"relu{block}_{unit}"] = len(layers) - 1
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return layers, taps | {"relu4": taps["relu4_1"], "relu5": taps["relu5_3"]}


def _tiny() -> tuple[list[nn.Module], dict[str, int]]:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 24, 7, stride=2, padding=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(24, 32, 5, stride=2, padding=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.ReLU(inplace=True),
    ]
    return layers, {"relu1": 1, "relu2": 3, "relu3": 5}


ARCHITECTURES = {"alexnet": _alexnet, "vgg16": _vgg16, "tiny": _tiny}

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """The convolutions of a named architecture up to the deepest of its taps.

    Attributes:
        name: "alexnet", "vgg16" or "tiny".
        taps: names of the ReLUs whose outputs it returns.
        channels: how many features each tap has.
        grids: where the cells of each tap's map lie in the image.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, *taps: str) -> None:
        super().__init__()
        if name not in ARCHITECTURES:
            raise WorkbenchError(
                f"a backbone out of {', '.join(ARCHITECTURES)}", repr(name), "name one of them"
            )
        layers, known = ARCHITECTURES[name]()
        strangers = [tap for tap in taps if tap not in known]
        if strangers or not taps:
            raise WorkbenchError(
                f"taps of {name} out of {', '.join(known)}",
                ", ".join(map(repr, strangers)) or "none",
                "name one of them",
            )
        self.name, self.taps = name, taps
        self.ends = tuple(known[tap] for tap in taps)
        """Index of the layer that each tap follows."""
        self.features = nn.Sequential(*layers[: max(self.ends) + 1])
        self.channels = tuple(_channels(layers[: end + 1]) for end in self.ends)
        self.grids = tuple(_grid_of(layers[: end + 1]) for end in self.ends)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """The maps at each tap, in the order of `taps`, of RGB images in [0, 1]."""
        found: dict[int, Tensor] = {}
        maps = (image - self.mean) / self.deviation
        for index, layer in enumerate(self.features):
            maps = layer(maps)
            if index in self.ends:
                found[index] = maps
        return tuple(found[end] for end in self.ends)


def _channels(layers: Sequence[nn.Module]) -> int:
    return [m for m in layers if isinstance(m, nn.Conv2d)][-1].out_channels


def _grid_of(layers: Sequence[nn.Module]) -> Grid:
    """Compose the geometry of the layers: each maps a cell to the centre of its window."""
    stride, offset = 1.0, 0.0
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, step, padding = (
                value if isinstance(value, int) else int(value[0])
                for value in (layer.kernel_size, layer.stride, layer.padding)
            )
            offset += stride * ((kernel - 1) / 2 - padding)
            stride *= step
    return Grid(stride, offset)
