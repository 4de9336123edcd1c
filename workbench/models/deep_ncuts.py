"""DeepNCuts: a backbone, new layers and the normalized-cuts layer (paper §5, §6.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from workbench.errors import WorkbenchError
from workbench.layers.normalized_cuts import NormalizedCuts
from workbench.models.backbones import Backbone, backbone_entry
from workbench.models.hypercolumn import FACTOR_STEP, HypercolumnHead, coarsened, coarsened_grid
from workbench.segmentation.grid import Grid
from workbench.segmentation.prediction import Prediction

FUSED = 64
"""Channels of the fused maps of a hypercolumn head."""


@dataclass(frozen=True)
class ArchitectureConfig:
    """Architecture of a DeepNCuts: all that is needed to build it, apart from its weights.

    Attributes:
        backbone: name of the backbone.
        taps: the ReLUs whose outputs feed the new layers; several for a hypercolumn head only.
        head: "none": no new layers, W = XXᵀ of the backbone's own features, the untrained
            baseline; "convolutions": the paper's two Conv-ReLU pairs; "hypercolumn": several taps
            fused, on a finer grid (`models.hypercolumn`).
        contour: whether a hypercolumn head also predicts contours.
        hidden: channels of the new layers; None: the paper's, by backbone, or `FUSED`.
        features: d, channels of the last layer and largest rank of W; the paper's 20.
        dropout: probability, within the head; the paper's .25.
        enlarge: factor by which images are enlarged before the backbone, for a finer grid.
        learn_coupling: whether Λ is learned (by J1) or the identity.
    """

    backbone: str = "alexnet"
    taps: tuple[str, ...] = ("relu5",)
    head: Literal["none", "convolutions", "hypercolumn"] = "convolutions"
    contour: bool = True
    hidden: int | None = None
    features: int = 20
    dropout: float = 0.25
    enlarge: float = 2.0
    learn_coupling: bool = False


class DeepNCuts(nn.Module):
    """DeepNCuts, a network from an image to the factors of its affinity.

    Attributes:
        config: architecture of the network.
        grid: places of the cells of X in the image.
    """

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        if config.enlarge <= 0:
            raise WorkbenchError(
                "a positive enlargement", f"{config.enlarge}", "give --enlarge 1 for none"
            )
        if len(config.taps) > 1 and config.head != "hypercolumn":
            raise WorkbenchError(
                "one tap, or a hypercolumn head to fuse several",
                ", ".join(config.taps),
                "give --head hypercolumn, or one --tap",
            )
        self.config = config
        self.backbone = Backbone(config.backbone, *config.taps)
        grids = [grid.shrunk(config.enlarge) for grid in self.backbone.grids]
        self.grid = grids[0]
        width = config.features
        if config.head == "none":
            self.head: nn.Module = nn.Identity()
            width = self.backbone.channels[0]
        elif config.head == "convolutions":
            self.head = _convolutions(self.backbone.channels[0], config)
        else:
            self.grid = Grid.of_step(FACTOR_STEP)
            grids = [coarsened_grid(grid) for grid in grids]
            self.head = HypercolumnHead(
                self.backbone.channels,
                grids,
                hidden=config.hidden or FUSED,
                features=config.features,
                dropout=config.dropout,
                contour=config.contour,
            )
        self.ncuts = NormalizedCuts(width, config.learn_coupling)

    def features(
        self, image: Float[Tensor, "3 height width"]
    ) -> tuple[Float[Tensor, "_ _ _"], ...]:
        """Input of the head for one RGB image in [0, 1]: the backbone's maps at its taps.

        Maps of a hypercolumn are no finer than `CONTOUR_STEP`.
        """
        if self.config.enlarge != 1:
            height, width = image.shape[1:]
            size = (round(height * self.config.enlarge), round(width * self.config.enlarge))
            image = interpolate(image[None], size, mode="bilinear", align_corners=False)[0]
        maps = tuple(each[0] for each in self.backbone(image[None]))
        if self.config.head != "hypercolumn":
            return maps
        grids = (grid.shrunk(self.config.enlarge) for grid in self.backbone.grids)
        return tuple(coarsened(each, grid) for each, grid in zip(maps, grids, strict=True))

    def predict(
        self, features: Sequence[Float[Tensor, "_ _ _"]], size: tuple[int, int]
    ) -> Prediction:
        """Run the rest of the network on the backbone's maps of an image of a size in pixels."""
        if self.config.head == "hypercolumn":
            maps, contour = self.head(features, size)
        else:
            maps, contour = self.head(features[0][None])[0], None
        shape = (maps.shape[1], maps.shape[2])
        return Prediction(self.ncuts(maps), shape, self.grid, size, contour)

    def forward(self, image: Float[Tensor, "3 height width"]) -> Prediction:
        """Affinity and, where the network has that branch, contours of one image."""
        return self.predict(self.features(image), (image.shape[1], image.shape[2]))


def _convolutions(channels: int, config: ArchitectureConfig) -> nn.Sequential:
    """Two Conv-ReLU pairs; the last ReLU makes W ≥ 0."""
    hidden = config.hidden or backbone_entry(config.backbone).hidden
    layers = nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Conv2d(hidden, config.features, 3, padding=1),
        nn.ReLU(),
    )
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(torch.as_tensor(layer.bias))
    return layers
