"""Classification of small images as a task: batches of images in, the logistic loss out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from workbench.data import Images, Loader
from workbench.data.augment import Augmentation
from workbench.errors import WorkbenchError
from workbench.linalg.precision import uncast
from workbench.models.small_cnn import CIFAR10, SmallCNN
from workbench.objectives.metric import CRITERIA, Criterion, criterion_named
from workbench.training.images.config import ImageConfig
from workbench.training.trainer import MicroBatch

BATCH = 500
"""Images that go through a network at once where it does not learn."""


@dataclass(frozen=True)
class Parts:
    """Images of a training: to learn from, held out of the training images, and to test on."""

    train: Images
    held: Images
    test: Images


def parts_of(config: ImageConfig) -> Parts:
    """Images of a configuration's store; the held-out ones are the same for every seed.

    Raises:
        PipelineError: there is no finished store.
        WorkbenchError: the store has no images, no splits train and test, or too few images, in
            all or of a class.
    """
    images = Images.open(config.store)
    train, test = images.train, images.test
    count = round(config.holdout * len(train))
    wanted = len(train) - count if config.images is None else config.images
    if count < 1 or not 1 <= wanted <= len(train) - count:
        raise WorkbenchError(
            f"{config.images or 'training'} images beside a held-out {config.holdout:g} of all",
            f"{len(train)} in all",
            "correct --holdout or the number of images, or give a store of more",
        )
    order = np.random.default_rng(0).permutation(len(train))
    held, kept = np.sort(order[:count]), np.sort(order[count : count + wanted])
    return Parts(labelled(train.select(kept), config), train.select(held), test)


def labelled(images: Images, config: ImageConfig) -> Images:
    """Images that a configuration trains on: `config.labelled` of each class, or all.

    A smaller number of the same seed is a part of a larger one.

    Raises:
        WorkbenchError: a class has fewer.
    """
    if not config.labelled:
        return images
    counts = images.counts()
    if counts.min() < config.labelled:
        raise WorkbenchError(
            f"{config.labelled} training images of each class that are not held out",
            f"{counts.min()} of {counts.idxmin()}",
            "ask for fewer labels a class, hold out less, or give more images",
        )
    order = np.random.default_rng(config.seed).permutation(len(images))
    of_class = images.categories[order]
    drawn = [order[of_class == k][: config.labelled] for k in range(len(images.names))]
    return images.select(np.sort(np.concatenate(drawn)))


class LossOfImages(nn.Module):
    """Network with its loss on top: standardised images and categories to scalars."""

    def __init__(self, model: SmallCNN) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, images: Float[Tensor, "batch 3 y x"], categories: Int64[Tensor, "batch"]
    ) -> dict[str, Tensor]:
        """Mean loss and top-1 error."""
        logits = self.model(images)
        error = (logits.detach().argmax(1) != categories).double().mean()
        return {"loss": cross_entropy(logits.float(), categories), "error": error}


class LossWithCriterion(LossOfImages):
    """Network with cross-entropy + λ × a metric criterion of the embedding of length 1 on top."""

    def __init__(self, model: SmallCNN, criterion: Criterion, weight: float) -> None:
        super().__init__(model)
        self.criterion, self.weight = criterion, weight

    def forward(
        self, images: Float[Tensor, "batch 3 y x"], categories: Int64[Tensor, "batch"]
    ) -> dict[str, Tensor]:
        """Mean loss with its two parts, and top-1 error."""
        embedding = self.model.embed(images)
        logits = self.model.logits(embedding)
        error = (logits.detach().argmax(1) != categories).double().mean()
        entropy = cross_entropy(logits.float(), categories)
        with uncast(embedding):
            term = self.criterion(normalize(embedding.float()), categories)
        loss = entropy + self.weight * term
        return {"loss": loss, "error": error, "cross_entropy": entropy, "criterion": term}


class ImageTask:
    """Task of training a classifier on small images, mirrored and shifted at random.

    Args:
        model: network to train.
        images: images to train on.
        config: configuration of the training.
        criteria: metric criteria by the names that the configuration may have.

    Raises:
        WorkbenchError: the configuration's criterion is none of them.
    """

    def __init__(
        self,
        model: SmallCNN,
        images: Images,
        config: ImageConfig,
        criteria: Mapping[str, Criterion] = CRITERIA,
    ) -> None:
        self.network = LossOfImages(model)
        if config.criterion:
            criterion = criterion_named(config.criterion, criteria)
            self.network = LossWithCriterion(model, criterion, config.weight)
        self.config, self.samples = config, len(images)
        self._loader = Loader(
            images,
            config.batch,
            seed=config.seed,
            prefetch=0,
            augment=Augmentation(config.mirror, config.jitter),
            normalise=CIFAR10,
        )

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        """Batch of a step, at once."""
        epoch, position = divmod(visits[0], self.samples)
        batch = self._loader.batch(epoch, position // self.config.batch)
        inputs = (batch.images.to(device), batch.categories.to(device))
        yield MicroBatch(inputs, len(batch))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All parameters, at one learning rate."""
        rate = self.config.learning_rate * self.config.head_multiplier
        return [{"params": list(self.network.parameters()), "lr": rate}]


def outcome(
    model: SmallCNN, pixels: UInt8[Tensor, "images 3 y x"], labels: Int64[Tensor, "images"]
) -> tuple[float, float]:
    """Top-1 error, a fraction, and mean loss, nats, in evaluation mode on the model's device."""
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        parts = [
            model(model.prepare(part.to(device))).float().cpu() for part in pixels.split(BATCH)
        ]
    logits = torch.cat(parts)
    error = (logits.argmax(1) != labels).double().mean()
    return float(error), float(cross_entropy(logits, labels))
