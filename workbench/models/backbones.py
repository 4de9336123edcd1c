"""Backbones: the convolutions of known networks, cut at any ReLU.

A backbone is one entry of `BACKBONES`, with all facts that are looked up by its name. Layers
and parameter names are torchvision's (`features.0.weight` …), so that its ImageNet weights load. A
tap is named after its ReLU: `relu1` … `relu5` in AlexNet, `relu1_1` … `relu5_3` in VGG-16. In a VGG
`relu4` and `relu5` mean the paper's taps, the first ReLU of block 4 and the last of block 5.
A backbone may have several taps, whose maps are fused later (`models.hypercolumn`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.segmentation.grid import Grid


class Conv(NamedTuple):
    """Convolution and its ReLU, which is the tap of that name."""

    tap: str
    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


class Pool(NamedTuple):
    """Maximum pooling of stride 2."""

    kernel: int


@dataclass(frozen=True)
class BackboneEntry:
    """Entry of a backbone: its convolutions, and facts that networks built on them need.

    Attributes:
        title: name in texts.
        layers: layers in order; the last is the pooling before the fully connected layers.
        cells: cells a side after that pooling, which the fully connected layers take.
        hidden: channels of the first new convolution of DeepNCuts; for AlexNet and VGG the paper's.
        aliases: other names of taps.
        pretrained: whether there are weights of it, in files whose names begin with the backbone's.
    """

    title: str
    layers: tuple[Conv | Pool, ...]
    cells: int
    hidden: int
    aliases: tuple[tuple[str, str], ...] = ()
    pretrained: bool = True

    @property
    def taps(self) -> list[str]:
        """Names of the ReLUs in order, without aliases."""
        return [layer.tap for layer in self.layers if isinstance(layer, Conv)]

    def last_pooling(self) -> nn.MaxPool2d:
        """The maximum pooling before the fully connected layers."""
        return nn.MaxPool2d(self.layers[-1].kernel, 2)

    def build(self) -> tuple[list[nn.Module], dict[str, int]]:
        """Layers up to the last ReLU, newly initialised, and the index of each tap's layer."""
        modules: list[nn.Module] = []
        taps: dict[str, int] = {}
        channels = 3
        for layer in self.layers[:-1]:
            if isinstance(layer, Pool):
                modules.append(nn.MaxPool2d(layer.kernel, 2))
                continue
            modules += [nn.Conv2d(channels, *layer[1:]), nn.ReLU(inplace=True)]
            taps[layer.tap], channels = len(modules) - 1, layer.channels
        return modules, taps | {alias: taps[tap] for alias, tap in self.aliases}


def _vgg(title: str, *depths: int) -> BackboneEntry:
    """VGG with so many convolutions in each of five blocks (Simonyan, Zisserman, ICLR 2015)."""
    layers: list[Conv | Pool] = []
    for block, (width, depth) in enumerate(zip((64, 128, 256, 512, 512), depths, strict=True), 1):
        layers += [Conv(f"relu{block}_{unit}", width) for unit in range(1, depth + 1)]
        layers.append(Pool(2))
    aliases = ("relu4", "relu4_1"), ("relu5", f"relu5_{depths[-1]}")
    return BackboneEntry(title, tuple(layers), 7, 1024, aliases)


BACKBONES = {
    "alexnet": BackboneEntry(
        "AlexNet",
        (
            Conv("relu1", 64, 11, 4, 2),
            Pool(3),
            Conv("relu2", 192, 5, 1, 2),
            Pool(3),
            Conv("relu3", 384),
            Conv("relu4", 256),
            Conv("relu5", 256),
            Pool(3),
        ),
        cells=6,
        hidden=256,
    ),
    "vgg16": _vgg("VGG-16", 2, 2, 3, 3, 3),
    "vgg19": _vgg("VGG-19", 2, 2, 4, 4, 4),
    "tiny": BackboneEntry(  # for demonstrations and tests: it learns in a minute
        "a tiny network",
        (Conv("relu1", 24, 7, 2, 3), Conv("relu2", 32, 5, 2, 2), Conv("relu3", 48), Pool(3)),
        cells=6,
        hidden=48,
        pretrained=False,
    ),
}
"""Entries of all backbones by name."""


def backbone_entry(name: str) -> BackboneEntry:
    """Entry of the backbone of a name.

    Raises:
        WorkbenchError: there is none.
    """
    if name not in BACKBONES:
        raise WorkbenchError(
            f"a backbone out of {', '.join(BACKBONES)}", repr(name), "name one of them"
        )
    return BACKBONES[name]


MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """Convolutions of a named architecture up to the deepest of its taps.

    Attributes:
        name: name of the entry in `BACKBONES`.
        taps: names of the ReLUs whose outputs it returns.
        channels: number of features at each tap.
        grids: places of the cells of each tap's map in the image.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: str, *taps: str) -> None:
        super().__init__()
        layers, known = backbone_entry(name).build()
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
        """Maps at each tap, in the order of `taps`, of RGB images in [0, 1]."""
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
    """Grid of a layer's cells, by composing layers: each maps a cell to its window's centre."""
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
