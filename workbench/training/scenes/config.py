"""Configuration of a DeepNCuts training: frozen, stored with the run."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from workbench.errors import WorkbenchError
from workbench.models import ArchitectureConfig, DeepNCuts
from workbench.training.config import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class DeepNCutsConfig(NetworkConfig[DeepNCuts]):
    """Settings of a DeepNCuts training (paper §6.2: one image a step, new layers 10× faster).

    Optimizer, rate and decay were chosen on forty held-out training images of BSDS300. The paper's
    rate of 1e-4 was worse with AdamW; the paper does not name its optimizer.

    Attributes:
        architecture: what is trained.
        objective: of the paper, Eq. 22 or 24.
        ridge: bounds the gradient of the projector, as a fraction of the mean eigenvalue.
        objective_weight: of J1 or J2 in the loss.
        contour_weight: of the contours' logistic loss; a hypercolumn head predicts them.
        agreement_weight: of the loss that asks, through the eigenvectors, whether two pixels lie in
            one segment; 0: none.
        scales: smallest and largest factor by which training images are resized, log-uniformly.
        crop: smallest fraction of each side of a training image that is kept, uniformly drawn, at a
            place drawn likewise; 1: whole images. Smaller images also make faster steps.
        holdout: training scenes kept out, to watch the covering on.
    """

    kind: ClassVar[str] = "scenes"

    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    objective: Literal["j1", "j2"] = "j2"
    ridge: float = 1e-3
    objective_weight: float = 1.0
    contour_weight: float = 1.0
    agreement_weight: float = 0.0
    scales: tuple[float, float] = (1.0, 1.0)
    crop: float = 1.0
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

    @property
    def threads_chosen(self) -> int | None:
        """A single thread where features are stored: the head and its small matrices remain."""
        return 1 if self.threads is None and self.cache is not None else self.threads

    def network(self) -> DeepNCuts:
        """Network with random weights."""
        return DeepNCuts(self.architecture)

    @property
    def features(self) -> dict[str, str | float]:
        """Attributes of its maps in a store of features."""
        shape = self.architecture
        taps = "+".join(shape.taps)
        return {"backbone": shape.backbone, "taps": taps, "enlarge": shape.enlarge}
