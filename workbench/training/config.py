"""Configurations of trainings: frozen, readable, stored with the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

from torch import nn

from workbench.errors import WorkbenchError
from workbench.probe.geometry.live import MOST
from workbench.runs.plain import check_fields, from_plain, plain
from workbench.training.kinds import kind_name

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
Config = TypeVar("Config", bound="LoopConfig")
Network = TypeVar("Network", bound=nn.Module)
POSITIVE = ("passes", "batch", "learning_rate", "head_multiplier", "clip", "processes")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Settings of the training loop, common to all tasks.

    The command line takes its help from these attributes, and from those of the derived classes
    (`cli.options`).

    Attributes:
        kind: name of the kind of these runs, see `kinds`.
        passes: over the training data.
        batch: samples a step, of all processes together.
        optimizer: SGD with momentum 0.9, or AdamW.
        learning_rate: of pretrained parameters.
        head_multiplier: how many times faster the new layers learn.
        weight_decay: as the optimizer defines it.
        warmup: fraction of the steps in which the rate rises linearly; then it falls as a cosine.
        clip: largest norm of a step's gradient.
        seed: of weights, order, augmentation and dropout.
        device: "auto" is CUDA where there is one.
        precision: of the convolutions, as Fabric names it; structured layers keep float64.
        threads: of torch on the CPU; None: one where small matrices take the time, because threads
            wait for each other there, otherwise torch's own choice.
        processes: of this machine that share each batch: on CUDA one a GPU.
        geometry: names of layers, or patterns, whose geometry is measured while they train.
        geometry_samples: samples on which the geometry is measured, at most 256.
    """

    kind: ClassVar[str] = ""

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
    threads: int | None = None
    processes: int = 1
    geometry: tuple[str, ...] = ()
    geometry_samples: int = 64

    def __post_init__(self) -> None:
        check_fields(self)
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise WorkbenchError(
                    f"a positive {name.replace('_', ' ')}", f"{getattr(self, name)}", "raise it"
                )
        if self.threads is not None and self.threads < 1:
            raise WorkbenchError("at least one thread", f"{self.threads}", "raise --threads")
        if not 2 <= self.geometry_samples <= MOST:
            raise WorkbenchError(
                f"2 to {MOST} samples to measure the geometry on",
                f"{self.geometry_samples}",
                "correct --geometry-samples",
            )
        if self.batch % self.processes:
            raise WorkbenchError(
                f"a batch that {self.processes} processes can share evenly",
                f"{self.batch}",
                "correct --batch or --processes",
            )

    @property
    def threads_chosen(self) -> int | None:
        """Number of torch's threads; None: torch's own choice. Derived classes choose."""
        return self.threads

    def to_dict(self) -> dict[str, Any]:
        """Plain values and the kind, for JSON."""
        return {"kind": self.kind, **plain(self)}

    @classmethod
    def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
        """Configuration from `to_dict` or its JSON, which older versions wrote without the kind.

        Raises:
            WorkbenchError: the kind is another; or a value is missing, unknown or not allowed.
        """
        found = kind_name(values)
        if found not in ("", cls.kind):
            raise WorkbenchError(f"a run of {cls.kind}", f"one of {found}", "give another run")
        own = {name: value for name, value in values.items() if name != "kind"}
        return from_plain(cls, own, "correct the configuration, or train another run")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(LoopConfig, Generic[Network]):
    """Settings of the training of a network with a backbone; derived for each class of networks.

    Attributes:
        store: path of the zarr store to train from.
        weights: path of the backbone's pretrained weights; None: start from random ones.
        frozen: the backbone keeps its weights.
        cache: store of the frozen backbone's features, to read instead of computing.
        start: run whose network the training starts from.
    """

    store: str
    weights: str | None = None
    frozen: bool = False
    cache: str | None = None
    start: str | None = None

    def network(self) -> Network:
        """Network with random weights; `weights` are loaded into its `backbone`."""
        raise NotImplementedError

    @property
    def features(self) -> dict[str, str | float]:
        """Attributes of the backbone's maps that the network reads, in a store of features."""
        raise NotImplementedError
