"""Region classifiers: DeepO2P, AlexNet, and what lies between (paper §4, §6.1).

A backbone's maps of a region in its frame are pooled to one vector, which is classified. Pooling
decides the model: log(XᵀX + εI) with a linear classifier is DeepO2P, with AlexNet's two fully
connected layers in between DeepO2P-FC; AlexNet itself pools by a maximum over a coarse grid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from workbench.errors import WorkbenchError
from workbench.layers.second_order_pooling import SecondOrderPooling
from workbench.linalg.gram_log import GramFunction
from workbench.linalg.vectorise import vectorise
from workbench.models.backbones import Backbone, backbone_entry
from workbench.models.region_masks import cells_inside
from workbench.models.scaling import Scaling, Standardised

Pooling = Literal["log", "power", "average", "none"]
POOLINGS: tuple[Pooling, ...] = ("log", "power", "average", "none")


@dataclass(frozen=True)
class RegionArchitecture:
    """Architecture of a region classifier: all that is needed to build it, apart from its weights.

    Attributes:
        backbone: name of the backbone.
        tap: the ReLU whose output is pooled.
        pooling: "log": log(XᵀX/cells + εI), the paper's; "power": the square root or another power;
            "average": the mean feature; "none": the backbone's own last maximum pooling, every cell
            of the grid kept apart (AlexNet).
        power: exponent of pooling "power".
        epsilon: ε; None: the layer's own, 1e-3 for the logarithm and 0 for the power. To scale the
            features is to choose another ε: log(s²XᵀX + εI) = log(XᵀX + ε/s²·I) + log s²·I.
        centre: take the region's mean feature off first, which makes XᵀX/cells its covariance.
        reduce: channels of a learned 1×1 convolution before pooling; None: the tap's own. It is
            linear and starts orthogonal: a projection of XᵀX (SPDNet's bilinear layer).
        fully_connected: sizes of the layers between pooling and the classifier.
        dropout: probability, after each of the fully connected layers.
        masked: whether only the cells of the region's free-form mask are pooled ("none": the others
            are set to 0), or all cells of the frame.
        scaling: of the pooled vector, fixed on training data: none, by one number for all entries,
            or by one for each (`models.scaling`).
        classes: categories to tell apart.
    """

    backbone: str = "alexnet"
    tap: str = "relu5"
    pooling: Pooling = "log"
    power: float = 0.5
    epsilon: float | None = None
    centre: bool = False
    reduce: int | None = None
    fully_connected: tuple[int, ...] = ()
    dropout: float = 0.5
    masked: bool = False
    scaling: Scaling = "common"
    classes: int = 80

    def __post_init__(self) -> None:
        sizes = (self.classes, *self.fully_connected, 1 if self.reduce is None else self.reduce)
        if min(sizes) < 1:
            raise WorkbenchError(
                "layers of at least one unit, and one class", f"{min(sizes)}", "raise it"
            )


@dataclass(frozen=True)
class RegionPrediction:
    """Prediction of a network for regions.

    Attributes:
        logits: logits of the categories.
        pooled: result of the structured layer, its matrices with their spectra; None without one.
    """

    logits: Float[Tensor, "batch classes"]
    pooled: GramFunction | None


class RegionNetwork(nn.Module):
    """Region classifier, a network from regions in their frames to logits of their categories.

    Attributes:
        config: architecture of the network.
        grid: places of the cells of the tap's map in the frame.
        channels: number of channels of the maps that are pooled.
    """

    def __init__(self, config: RegionArchitecture) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.backbone, config.tap)
        self.grid = self.backbone.grids[0]
        self.channels = config.reduce or self.backbone.channels[0]
        self.reduce: nn.Module = nn.Identity()
        if config.reduce is not None:
            self.reduce = nn.Conv2d(self.backbone.channels[0], config.reduce, 1, bias=False)
            nn.init.orthogonal_(self.reduce.weight)
        self.pooling: nn.Module | None = None
        if config.pooling == "none":
            entry = backbone_entry(config.backbone)
            self.pooling = entry.last_pooling()
            entries = self.channels * entry.cells**2
        elif config.pooling == "average":
            entries = self.channels
        else:
            self.pooling = SecondOrderPooling(
                config.pooling, config.epsilon, power=config.power, centre=config.centre
            )
            entries = self.channels * (self.channels + 1) // 2
        self.entries = entries
        """Length of the pooled vector."""
        energy = float(self.channels)
        self.scaling: nn.Module = nn.Identity()
        if config.scaling != "none":
            self.scaling = Standardised(entries, energy, config.scaling == "entry")
        self.classifier = _classifier(
            entries, float(entries) if config.scaling == "none" else energy, config
        )

    def features(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Maps of the backbone at the tap, of RGB frames in [0, 1]."""
        maps: Tensor = self.backbone(images)[0]
        return maps

    def pool(
        self,
        maps: Float[Tensor, "batch channels rows columns"] | Float[Tensor, "batch entries"],
        masks: Bool[Tensor, "batch height width"] | None = None,
    ) -> tuple[Float[Tensor, "batch entries"], GramFunction | None]:
        """Pooled vector of each region, before scaling, and the result of the structured layer.

        Args:
            maps: maps of the backbone; vectors that were pooled before are returned unchanged.
            masks: masks in the frame's pixels; ignored where the network is not `masked`.

        Raises:
            WorkbenchError: the network is masked and there are no masks.
        """
        if maps.ndim == 2:
            return maps, None
        inside = self.inside(maps, masks)
        maps = self.reduce(maps)
        # In float32 at least, whatever the convolutions had; the layer itself computes in float64.
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float() if maps.dtype in (torch.bfloat16, torch.float16) else maps
            if isinstance(self.pooling, SecondOrderPooling):
                pooled = self.pooling.pool(maps, inside)
                return vectorise(pooled.value), pooled
            if inside is not None:
                maps = torch.where(inside[:, None], maps, 0.0)
            if self.pooling is None:
                cells = maps[0, 0].numel() if inside is None else inside.sum((1, 2)).clamp(min=1)
                return maps.sum((2, 3)) / torch.as_tensor(cells, device=maps.device).view(
                    -1, 1
                ), None
            side = backbone_entry(self.config.backbone).cells
            return adaptive_avg_pool2d(self.pooling(maps), side).flatten(1), None

    def classify(
        self,
        maps: Float[Tensor, "batch channels rows columns"] | Float[Tensor, "batch entries"],
        masks: Bool[Tensor, "batch height width"] | None = None,
    ) -> RegionPrediction:
        """Prediction from the backbone's maps; arguments as `pool` has them."""
        vectors, pooled = self.pool(maps, masks)
        return RegionPrediction(self.classifier(self.scaling(vectors)), pooled)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        masks: Bool[Tensor, "batch height width"] | None = None,
    ) -> RegionPrediction:
        """Prediction for RGB frames in [0, 1]."""
        return self.classify(self.features(images), masks)

    def calibrate(
        self, batches: Iterable[tuple[Float[Tensor, "_ *shape"], Bool[Tensor, "_ _ _"] | None]]
    ) -> None:
        """Fix the scale of the pooled vector on regions to train on; nothing where it has none.

        Args:
            batches: maps of the backbone with their masks.

        Raises:
            WorkbenchError: see `Standardised.calibrate`.
        """
        if isinstance(self.scaling, Standardised):
            with torch.no_grad():
                self.scaling.calibrate(self.pool(maps, masks)[0] for maps, masks in batches)

    def inside(
        self,
        maps: Float[Tensor, "batch channels rows columns"],
        masks: Bool[Tensor, "batch height width"] | None,
    ) -> Bool[Tensor, "batch rows columns"] | None:
        """Cells that are pooled; None: all. Arguments and error as `pool` has them."""
        if not self.config.masked:
            return None
        if masks is None:
            raise WorkbenchError(
                "masks, to pool over free-form regions", "none", "open the store with its masks"
            )
        return cells_inside(masks, self.grid, maps.shape[2], maps.shape[3])


def _classifier(entries: int, energy: float, config: RegionArchitecture) -> nn.Sequential:
    """Fully connected layers and the linear classifier.

    Args:
        entries: length of the input vectors.
        energy: expected squared length of the input: the first layer's outputs get unit variance.
        config: architecture, for sizes and dropout.
    """
    layers: list[nn.Module] = []
    for size in config.fully_connected:
        linear = nn.Linear(entries, size)
        nn.init.normal_(linear.weight, std=(2 / energy) ** 0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(), nn.Dropout(config.dropout)]
        entries = size
        energy = float(size)
    last = nn.Linear(entries, config.classes)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
