"""Columns of the paper's Table 2 and further ones, as configurations.

Each states the paper's figures, the expected ones, its duration and the command that runs it
(`experiments.scenes.table2`). Expected figures are from recorded runs; None without one.
"""

from dataclasses import dataclass, replace

from workbench.experiments.tables.table import FROZEN, TableColumn
from workbench.models import ArchitectureConfig
from workbench.segmentation import CutConfig, HierarchyConfig, PoolConfig
from workbench.segmentation.contour_cuts import SINGLE_SCALE, ContourConfig
from workbench.training.scenes.config import DeepNCutsConfig

FLAT, HIERARCHY = "flat", "hierarchy"


@dataclass(frozen=True)
class Figures:
    """Best and average covering."""

    best: float
    average: float


@dataclass(frozen=True)
class Column(TableColumn):
    """Method of Table 2; attributes common to all tables are in `TableColumn`.

    Attributes:
        paper: the paper's figures; None: not in the paper.
        expected: figures on BSDS300's test images with the cut `shown`; None: not measured yet.
        contours: configuration of a classical column; None for networks.
        architecture: architecture of a network's column; None for classical ones.
        stages: successive trainings, each starting from the network of the one before; empty: the
            backbone's own features. The experiment fills in paths, seed and device. Variants of a
            column share the stages that they have in common.
        cuts: by name, how the affinity is cut into segmentations: each is a row of the table.
        choose_heights: cut hierarchies at heights chosen on the training scenes that the column's
            training holds out, and not at those of `cuts`.
        shown: name of the cut in Figure 3.
    """

    paper: Figures | None = None
    expected: Figures | None = None
    contours: ContourConfig | None = None
    architecture: ArchitectureConfig | None = None
    stages: tuple[DeepNCutsConfig, ...] = ()
    cuts: tuple[tuple[str, CutConfig], ...] = ((FLAT, PoolConfig()), (HIERARCHY, HierarchyConfig()))
    choose_heights: bool = True
    shown: str = FLAT

    @property
    def trained(self) -> bool:
        """Whether the column has a training."""
        return bool(self.stages)

    @property
    def command(self) -> str:
        """Command that trains and evaluates the column."""
        frozen = " --frozen" if self.varies else ""
        store = "--store stores/bsds.zarr --out runs/table2"
        return f"workbench table2 {store} --column {self.family}{frozen}"

    def frozen_variant(self) -> "Column":
        """Variant whose backbone keeps its weights; the column itself where nothing is trained.

        Of several stages, those with a frozen backbone remain.
        """
        stages = tuple(stage for stage in self.stages if stage.frozen)
        if stages == self.stages:
            return self
        return replace(
            self,
            name=self.name + FROZEN,
            title=f"{self.title}, frozen backbone",
            expected=None,
            stages=stages or tuple(replace(stage, frozen=True) for stage in self.stages),
            varies=self.name,
        )


def _features(backbone: str, tap: str, enlarge: float) -> ArchitectureConfig:
    return ArchitectureConfig(backbone=backbone, taps=(tap,), head="none", enlarge=enlarge)


def _two_layers(backbone: str, tap: str, enlarge: float) -> tuple[DeepNCutsConfig, ...]:
    """Trainings of the paper's network: one, of all parameters."""
    architecture = ArchitectureConfig(backbone=backbone, taps=(tap,), enlarge=enlarge)
    return (DeepNCutsConfig(store="", architecture=architecture),)


def _head_first(backbone: str, tap: str, enlarge: float) -> tuple[DeepNCutsConfig, ...]:
    """Trainings of the paper's network: its two layers on stored features, then all parameters.

    A pass over VGG-16 takes thirty times one over stored features, and the head alone needs most of
    the passes.
    """
    (whole,) = _two_layers(backbone, tap, enlarge)
    return replace(whole, frozen=True), replace(whole, passes=2)


_CONTOUR_CUT: tuple[tuple[str, CutConfig], ...] = ((FLAT, PoolConfig()),)
_FROZEN_HYPERCOLUMN = DeepNCutsConfig(
    store="",
    architecture=ArchitectureConfig(
        backbone="vgg16",
        taps=("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
        head="hypercolumn",
        features=32,
        dropout=0.1,
        enlarge=1.0,
    ),
    objective_weight=1 / 32,
    contour_weight=1.0,
    agreement_weight=1.0,
    frozen=True,
    learning_rate=1e-4,
    head_multiplier=10.0,
    weight_decay=0.01,
    passes=16,
)
_HYPERCOLUMN = (
    _FROZEN_HYPERCOLUMN,
    replace(
        _FROZEN_HYPERCOLUMN,
        frozen=False,
        learning_rate=2e-5,
        head_multiplier=10.0,
        passes=2,
        scales=(0.7, 1.15),
    ),
)

COLUMNS = {
    column.name: column
    for column in (
        Column(
            name="ncuts-multiscale",
            title="NCuts [Cour et al.]",
            paper=Figures(0.55, 0.44),
            expected=Figures(0.70, 0.60),
            minutes=3,
            contours=ContourConfig(),
            cuts=_CONTOUR_CUT,
        ),
        Column(
            name="ncuts-contour",
            title="NCuts, contours of one scale",
            expected=Figures(0.66, 0.57),
            minutes=6,
            contours=SINGLE_SCALE,
            cuts=_CONTOUR_CUT,
        ),
        Column(
            name="ncuts-alexnet-relu5",
            title="NCuts AlexNet ReLU-5",
            paper=Figures(0.59, 0.49),
            expected=Figures(0.67, 0.56),
            minutes=2,
            architecture=_features("alexnet", "relu5", 2.0),
        ),
        Column(
            name="deep-ncuts-alexnet-relu5",
            title="DeepNCuts AlexNet ReLU-5",
            paper=Figures(0.65, 0.56),
            expected=Figures(0.71, 0.60),
            minutes=25,
            stages=_two_layers("alexnet", "relu5", 2.0),
            against=("ncuts-alexnet-relu5",),
        ),
        Column(
            name="ncuts-vgg16-relu4",
            title="NCuts VGG-16 ReLU-4",
            paper=Figures(0.65, 0.56),
            expected=Figures(0.67, 0.57),
            minutes=5,
            architecture=_features("vgg16", "relu4", 1.0),
        ),
        Column(
            name="deep-ncuts-vgg16-relu4",
            title="DeepNCuts VGG-16 ReLU-4",
            paper=Figures(0.73, 0.62),
            expected=Figures(0.74, 0.62),
            minutes=60,
            stages=_head_first("vgg16", "relu4", 1.0),
            against=("ncuts-vgg16-relu4",),
        ),
        Column(
            name="ncuts-vgg16-relu5",
            title="NCuts VGG-16 ReLU-5",
            paper=Figures(0.70, 0.58),
            expected=Figures(0.72, 0.59),
            minutes=12,
            architecture=_features("vgg16", "relu5", 2.0),
        ),
        Column(
            name="deep-ncuts-vgg16-relu5",
            title="DeepNCuts VGG-16 ReLU-5",
            paper=Figures(0.74, 0.63),
            expected=Figures(0.74, 0.61),
            minutes=260,
            stages=_head_first("vgg16", "relu5", 2.0),
            against=("ncuts-vgg16-relu5",),
        ),
        Column(
            name="deep-ncuts-hypercolumn",
            title="DeepNCuts, VGG-16 hypercolumn",
            expected=Figures(0.84, 0.71),
            minutes=120,
            stages=_HYPERCOLUMN,
            against=("deep-ncuts-vgg16-relu5",),
            shown=HIERARCHY,
        ),
    )
}
"""Columns by name, in the order of the table."""
