"""Columns of the paper's Table 1 and further ones, as configurations.

Each states the paper's error, its duration and the command that trains it. The paper chooses a
learning rate for each model. Learning rates and weight decays with a frozen backbone were chosen by
`workbench tune --frozen` on held-out training images (`notebooks/results/table1/tuning.md`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.errors import WorkbenchError
from workbench.experiments.tables.table import FROZEN, TableColumn
from workbench.models.regions import RegionArchitecture
from workbench.training.regions.config import RegionConfig

FULLY_CONNECTED = (4096, 4096)
"""Sizes of AlexNet's fc6 and fc7."""


@dataclass(frozen=True)
class RegionColumn(TableColumn):
    """Method of Table 1; attributes common to all tables are in `TableColumn`.

    Attributes:
        paper: the paper's classification error on COCO's validation set, percent; None: not in the
            paper.
        training: configuration whose paths, seed and device the experiment fills in; None: the
            column has no network (`experiments.regions.sift_o2p`).
        pretrained: whether the backbone starts from its ImageNet weights.
        on_features: settings of the training that differ where the backbone is frozen.
    """

    paper: float | None = None
    training: RegionConfig | None = None
    pretrained: bool = True
    on_features: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether the column has a network."""
        return self.training is not None

    @property
    def freezable(self) -> bool:
        """Whether the backbone has weights to keep; also True without a network."""
        return self.training is None or self.pretrained

    @property
    def command(self) -> str:
        """Command that trains the column."""
        return f"workbench train {self.family} --store stores/coco.zarr --run runs/{self.family}"

    def frozen_variant(self) -> "RegionColumn":
        """Variant whose backbone keeps its weights; the column itself where it has no network."""
        if self.training is None or self.varies:
            return self
        return replace(
            self, name=self.name + FROZEN, title=f"{self.title}, frozen", varies=self.name
        )

    @property
    def network(self) -> RegionConfig:
        """Training of a column with a network.

        Raises:
            WorkbenchError: the column has no network.
        """
        if self.training is None:
            raise WorkbenchError(
                "a column with a network to train", self.name, "see `workbench table1`"
            )
        return self.training

    def frozen(self, weights: str) -> RegionConfig:
        """Training with a frozen pretrained backbone, without jitter: features may be stored."""
        return replace(self.network, frozen=True, jitter=0, weights=weights, **self.on_features)


def _training(architecture: RegionArchitecture, **options: Any) -> RegionConfig:
    return RegionConfig(store="", architecture=architecture, **options)


ALEXNET = RegionArchitecture(pooling="none", scaling="none", fully_connected=FULLY_CONNECTED)
DEEP_O2P = RegionArchitecture()
DEEP_O2P_FC = RegionArchitecture(fully_connected=FULLY_CONNECTED)
_LINEAR: dict[str, Any] = {"head_multiplier": 30.0}
"""Settings of linear classifiers: on standardised vectors they allow a larger rate than layers."""
_HEAD: dict[str, Any] = {"passes": 8}
_LINEAR_HEAD: dict[str, Any] = _HEAD | {"learning_rate": 5.4e-3, "weight_decay": 7.8e-3}
_SCRATCH: dict[str, Any] = {"passes": 60, "head_multiplier": 1.0, "learning_rate": 0.01}
"""Settings without pretraining: all layers are new. DeepO2P-FC needs a smaller rate than this."""

REGION_COLUMNS = {
    column.name: column
    for column in (
        RegionColumn("sift-o2p", "SIFT-O2P", minutes=10, paper=36.4),
        RegionColumn(
            "alexnet",
            "AlexNet",
            minutes=60,
            paper=25.3,
            training=_training(ALEXNET),
            on_features=_HEAD,
        ),
        RegionColumn(
            "alexnet-s",
            "AlexNet (S)",
            minutes=200,
            paper=27.2,
            training=_training(ALEXNET, **_SCRATCH),
            pretrained=False,
        ),
        RegionColumn(
            "deep-o2p",
            "DeepO2P",
            minutes=60,
            paper=28.6,
            training=_training(DEEP_O2P, **_LINEAR),
            on_features=_LINEAR_HEAD,
            against=("alexnet", "alexnet-linear"),
        ),
        RegionColumn(
            "deep-o2p-s",
            "DeepO2P (S)",
            minutes=200,
            paper=32.4,
            training=_training(DEEP_O2P, **_SCRATCH),
            pretrained=False,
            against=("alexnet-s",),
        ),
        RegionColumn(
            "deep-o2p-fc",
            "DeepO2P-FC",
            minutes=90,
            paper=25.2,
            training=_training(DEEP_O2P_FC),
            on_features=_HEAD,
            against=("alexnet",),
        ),
        RegionColumn(
            "deep-o2p-fc-s",
            "DeepO2P-FC (S)",
            minutes=260,
            paper=28.9,
            training=_training(DEEP_O2P_FC, **_SCRATCH | {"learning_rate": 0.003}),
            pretrained=False,
            against=("alexnet-s",),
        ),
        RegionColumn(
            "alexnet-linear",
            "AlexNet, linear",
            minutes=40,
            training=_training(replace(ALEXNET, fully_connected=(), scaling="common"), **_LINEAR),
            on_features=_LINEAR_HEAD,
            against=("alexnet",),
        ),
        RegionColumn(
            "alexnet-masked",
            "AlexNet, masks",
            minutes=60,
            training=_training(replace(ALEXNET, masked=True)),
            on_features=_HEAD,
            against=("alexnet",),
        ),
        RegionColumn(
            "deep-o2p-masked",
            "DeepO2P, masks",
            minutes=60,
            training=_training(replace(DEEP_O2P, masked=True), **_LINEAR),
            on_features=_LINEAR_HEAD,
            against=("alexnet", "alexnet-masked", "deep-o2p"),
        ),
        RegionColumn(
            "deep-o2p-sqrt",
            "DeepO2P, square root",
            minutes=60,
            training=_training(replace(DEEP_O2P, pooling="power"), **_LINEAR),
            on_features=_LINEAR_HEAD | {"learning_rate": 2.7e-3, "weight_decay": 6.6e-4},
            against=("alexnet", "deep-o2p"),
        ),
        RegionColumn(
            "deep-o2p-reduced",
            "DeepO2P, 64 features",
            minutes=60,
            training=_training(replace(DEEP_O2P, reduce=64), **_LINEAR),
            on_features=_LINEAR_HEAD,
            against=("alexnet", "deep-o2p"),
        ),
        RegionColumn(
            "deep-o2p-vgg16",
            "DeepO2P, VGG-16",
            minutes=600,
            training=_training(replace(DEEP_O2P, backbone="vgg16"), micro_batch=10, **_LINEAR),
            on_features=_LINEAR_HEAD,
            against=("deep-o2p",),
        ),
    )
}
"""Columns by name, in the order of the table."""
