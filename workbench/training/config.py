"""Everything that decides how a training goes: frozen, readable, stored with the run."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from workbench.errors import WorkbenchError
from workbench.models import ArchitectureConfig

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
POSITIVE = ("passes", "batch", "learning_rate", "head_multiplier", "clip", "processes")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What the training loop needs, whatever it trains.

    Attributes:
        passes: how often every training sample is seen.
        batch: samples a step.
        optimizer: "sgd" (momentum .9) or "adamw".
        learning_rate: of pretrained parameters.
        head_multiplier: how many times faster the new layers learn.
        weight_decay: as the optimizer defines it.
        warmup: fraction of the steps in which the rate rises linearly; it then falls as a cosine.
        clip: largest norm of a step's gradient.
        seed: of weights, order, augmentation and dropout.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        precision: of the convolutions, as Fabric names it; structured layers keep float64.
        processes: of this machine that share each batch, one a GPU on CUDA (`processes.ranks`).
    """

    passes: int = 8
    batch: int = 1
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 3e-5
    head_multiplier: float = 10.0
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip: float = 1.0
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "32-true"
    processes: int = 1

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise WorkbenchError(
                    f"a positive {name.replace('_', ' ')}", f"{getattr(self, name)}", "raise it"
                )
        if self.batch % self.processes:
            raise WorkbenchError(
                f"a batch that {self.processes} processes can share evenly",
                f"{self.batch}",
                "correct --batch or --processes",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LoopConfig":
        """Back from `to_dict`."""
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class DeepNCutsConfig(LoopConfig):
    """How a DeepNCuts is trained (paper §6.2: one image a step, the new layers ten times faster).

    Optimizer, rate and decay were chosen on forty held-out training images of BSDS300, where AdamW
    did worse at the paper's rate of 1e-4, whose optimizer is not named.

    Attributes:
        store: path of the zarr store of scenes.
        weights: path of the backbone's pretrained weights; None: start from random ones.
        architecture: what is trained.
        objective: "j1" or "j2".
        ridge: regularisation of the projector, see `objectives.projector`.
        objective_weight: of J1 or J2 in the loss.
        contour_weight: of the contours' logistic loss, where the network predicts contours.
        agreement_weight: of the pairs' logistic loss through the eigenvectors
            (`objectives.agreement`); 0: none.
        scales: smallest and largest factor by which training images are resized, log-uniformly.
        crop: smallest fraction of each side of a training image that is kept, uniformly drawn, at a
            place drawn likewise; 1: whole images. Smaller images also make faster steps.
        frozen: whether the backbone keeps its pretrained weights.
        cache: path of a store of the frozen backbone's features, to read instead of computing.
        start: run whose network the training starts from; None: pretrained weights and new layers.
        holdout: training scenes kept out, on which the covering is watched.
    """

    store: str
    weights: str | None = None
    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    objective: Literal["j1", "j2"] = "j2"
    ridge: float = 1e-3
    objective_weight: float = 1.0
    contour_weight: float = 1.0
    agreement_weight: float = 0.0
    scales: tuple[float, float] = (1.0, 1.0)
    crop: float = 1.0
    frozen: bool = False
    cache: str | None = None
    start: str | None = None
    holdout: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture.learn_coupling and self.objective == "j2":
            raise WorkbenchError(
                "objective j1 where the coupling is learned",
                "j2, which does not depend on the coupling",
                "give --objective j1, or leave --learn-coupling out",
            )
        if not 0 < self.scales[0] <= self.scales[1]:
            raise WorkbenchError(
                "a smallest and a largest scale, both positive",
                f"{self.scales[0]} and {self.scales[1]}",
                "correct --scales",
            )
        if not 0 < self.crop <= 1:
            raise WorkbenchError(
                "a fraction of the sides to keep", f"{self.crop}", "correct --crop"
            )
        whole = self.scales == (1.0, 1.0) and self.crop == 1
        if self.cache is not None and not (self.frozen and whole):
            raise WorkbenchError(
                "a frozen backbone and whole images of their own size, to read features from a "
                "store",
                f"scales {self.scales}, crop {self.crop}" if self.frozen else "one in training",
                "give --frozen without --scales and --crop, or leave --cache out",
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DeepNCutsConfig":
        """Back from `to_dict`."""
        shape = values["architecture"]
        architecture = ArchitectureConfig(**shape | {"taps": tuple(shape["taps"])})
        scales = tuple(values["scales"])
        return cls(**values | {"architecture": architecture, "scales": scales})
