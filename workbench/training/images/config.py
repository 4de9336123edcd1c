"""Configuration of the training of a classifier of small images: frozen, stored with the run."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from workbench.errors import WorkbenchError
from workbench.models.pooled_cnn import Pooling
from workbench.training.config import LoopConfig


@dataclass(frozen=True, kw_only=True)
class ImageConfig(LoopConfig):
    """Settings of the training of a `SmallCNN`, or a `PooledCNN`, on a store of small images.

    Attributes:
        store: path of the zarr store of images.
        width: channels of the first block.
        pooling: pooling of a `PooledCNN`; None: train a `SmallCNN`.
        images: number of training images, of those that are not held out; None: all.
        holdout: fraction of the training images kept out, on which errors choose checkpoints.
        jitter: largest shift of a training image, in pixels, to any side.
        mirror: probability of a mirror image.
        errors: held-out errors in percent, at the first crossing of which the network is kept.
        anchors: test images whose distance ratios are measured after every pass; 0: measure the
            held-out error alone, keep no networks, and leave the test images unseen.
        labelled: training images of each class that are used, drawn by the seed; 0: all.
        criterion: metric criterion of the embedding beside cross-entropy; "": none.
        weight: factor λ of the metric criterion, positive.
    """

    kind: ClassVar[str] = "images"

    store: str
    width: int = 24
    pooling: Pooling | None = None
    images: int | None = None
    holdout: float = 0.1
    jitter: int = 4
    mirror: float = 0.5
    errors: tuple[float, ...] = (25.0, 21.0, 18.0)
    anchors: int = 1000
    labelled: int = 0
    criterion: str = ""
    weight: float = 1.0

    passes: int = 25
    batch: int = 100
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.05
    head_multiplier: float = 1.0
    weight_decay: float = 5e-4
    warmup: float = 0.2
    clip: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.holdout < 1:
            raise WorkbenchError(
                "a fraction of the training images to hold out, above 0 and below 1",
                f"{self.holdout}",
                "correct --holdout",
            )
        if self.pooling is not None and self.anchors:
            raise WorkbenchError(
                "no anchors: distance ratios are measured at the layers of a SmallCNN",
                f"{self.anchors} anchors for a PooledCNN",
                "set anchors to 0",
            )
        if not all(0 < error < 100 for error in self.errors):
            raise WorkbenchError(
                "errors in percent, above 0 and below 100",
                ", ".join(f"{error:g}" for error in self.errors),
                "correct --errors, as in --errors 25,21,18",
            )
        if self.labelled < 0 or not self.weight > 0:
            raise WorkbenchError(
                "labels a class from 0 (all), and a positive weight of the metric criterion",
                f"{self.labelled} and {self.weight:g}",
                "correct them; without a criterion the loss is cross-entropy alone",
            )
        if self.processes > 1:
            raise WorkbenchError(
                "one process: batch normalisation takes its statistics of a whole batch",
                f"{self.processes}",
                "set --processes 1",
            )
