"""Everything that decides how a training goes: frozen, readable, stored with the run."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from workbench.errors import WorkbenchError
from workbench.models.deep_ncuts import ArchitectureConfig


@dataclass(frozen=True)
class TrainConfig:
    """How DeepNCuts is trained. Defaults are the paper's where it states them (§6.2).

    Attributes:
        store: path of the zarr store of scenes.
        weights: path of the backbone's pretrained weights; None: start from random ones.
        architecture: what is trained.
        objective: "j1" or "j2".
        ridge: regularisation of the projector, see `objectives.projector`.
        passes: how often every training scene is seen.
        learning_rate: of the backbone; the paper's 1e-4.
        head_multiplier: how many times faster the new layers learn; the paper's 10.
        batch: images a step; the paper's 1.
        warmup: fraction of the steps in which the rate rises linearly; it then falls as a cosine.
        clip: largest norm of a step's gradient.
        weight_decay: decoupled, as in AdamW.
        holdout: training scenes kept out, on which the covering is watched.
        seed: of weights, order, mirrors and dropout.
        device: "auto", "cpu" or "cuda".
        precision: of the convolutions, as Fabric names it; structured layers keep float64.
    """

    store: str
    weights: str | None = None
    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    objective: Literal["j1", "j2"] = "j2"
    ridge: float = 1e-3
    passes: int = 20
    learning_rate: float = 1e-4
    head_multiplier: float = 10.0
    batch: int = 1
    warmup: float = 0.1
    clip: float = 1.0
    weight_decay: float = 0.0
    holdout: int = 20
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        for name in ("passes", "batch", "learning_rate", "head_multiplier", "clip"):
            if getattr(self, name) <= 0:
                raise WorkbenchError(
                    f"a positive {name}", f"{getattr(self, name)}", f"change --{name}"
                )
        if self.architecture.learn_coupling and self.objective == "j2":
            raise WorkbenchError(
                "objective j1 where the coupling is learned",
                "j2, which does not depend on the coupling",
                "give --objective j1, or leave --learn-coupling out",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainConfig":
        """Back from `to_dict`."""
        architecture = ArchitectureConfig(**values["architecture"])
        return cls(**values | {"architecture": architecture})
