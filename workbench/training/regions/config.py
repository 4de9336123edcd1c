"""Configuration of a region classifier's training: frozen, stored with the run."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from workbench.data.region_split import Protocol
from workbench.errors import WorkbenchError
from workbench.models.regions import RegionArchitecture, RegionNetwork
from workbench.training.config import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class RegionConfig(NetworkConfig[RegionNetwork]):
    """Settings of a region classifier's training (paper §6.1: batches of 100, SGD with momentum).

    Attributes:
        architecture: what is trained.
        protocol: what is for testing: a fifth of all images, or COCO's own val.
        holdout: fraction of the training images kept out, to watch the error on.
        limit: only so many regions of every part, chosen at random; None: all of them. For a quick
            look whether everything runs, and for errors against the number of training regions.
        jitter: largest shift of a training frame, in pixels, to any side.
        mirror: probability of a mirror image.
        micro_batch: regions that go through the network at once, to save memory; None: the whole
            batch.
    """

    kind: ClassVar[str] = "regions"

    architecture: RegionArchitecture = field(default_factory=RegionArchitecture)
    protocol: Protocol = "pooled"
    holdout: float = 0.1
    limit: int | None = None
    jitter: int = 8
    mirror: float = 0.5
    micro_batch: int | None = None

    passes: int = 20
    batch: int = 100
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    clip: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.holdout < 1:
            raise WorkbenchError(
                "a fraction of the images to hold out", f"{self.holdout}", "correct --holdout"
            )
        for name in ("micro_batch", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise WorkbenchError(
                    "at least one region at once" if name == "micro_batch" else "regions to see",
                    f"{value}",
                    f"raise --{name.replace('_', '-')}",
                )
        if self.cache is not None and (not self.frozen or self.jitter):
            raise WorkbenchError(
                "a frozen backbone and frames that are not shifted, to read features from a store",
                "a backbone in training" if not self.frozen else f"shifts of {self.jitter} pixels",
                "give --frozen and --jitter 0, or leave --cache out",
            )
        if self.frozen and self.weights is None and self.start is None:
            raise WorkbenchError(
                "trained weights in a backbone that is frozen",
                "random ones",
                "leave --frozen out, or --from-scratch",
            )

    @property
    def threads_chosen(self) -> int | None:
        """A single thread where second-order matrices are pooled: they are small, one a region."""
        small = self.architecture.pooling in ("log", "power")
        return 1 if self.threads is None and small else self.threads

    def network(self) -> RegionNetwork:
        """Network with random weights."""
        return RegionNetwork(self.architecture)

    @property
    def features(self) -> dict[str, str | float]:
        """Attributes of its maps in a store of features."""
        return {
            "backbone": self.architecture.backbone,
            "taps": self.architecture.tap,
            "enlarge": 1.0,
        }
