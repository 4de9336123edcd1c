"""DeepNCuts as a task: scenes in, a projector objective over all their annotators out."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from workbench.data import Order, Scenes
from workbench.models.deep_ncuts import DeepNCuts
from workbench.objectives import j1, j2
from workbench.training.config import DeepNCutsConfig


class ObjectiveOfImage(nn.Module):
    """The network with its objective on top: one image and its label maps to scalars."""

    def __init__(self, model: DeepNCuts, config: DeepNCutsConfig) -> None:
        super().__init__()
        self.model = model
        self.objective = {"j1": j1, "j2": j2}[config.objective]
        self.ridge = config.ridge

    def forward(
        self, image: Float[Tensor, "3 height width"], truths: Int[Tensor, "annotators height width"]
    ) -> dict[str, Tensor]:
        """The mean objective over the annotators, and what was found on the way."""
        affinity, shape = self.model(image)
        labels = self.model.grid.sample_labels(truths, *shape)
        found = self.objective(affinity, labels, ridge=self.ridge)
        outcome = {
            "loss": found.value,
            "alignment": found.alignment,
            "rank": found.rank,
            "condition": found.condition,
        }
        return {name: torch.as_tensor(value) for name, value in outcome.items()}


class SegmentationTask:
    """Trains a DeepNCuts on scenes, mirrored at random; every annotator counts the same.

    The paper does not say how it uses the several human segmentations of an image; the mean over
    them was chosen because the factored objective gives it at the price of one.
    """

    def __init__(self, model: DeepNCuts, scenes: Scenes, config: DeepNCutsConfig) -> None:
        self.network = ObjectiveOfImage(model, config)
        self.model, self.scenes, self.config = model, scenes, config
        self.samples = len(scenes)
        self.order = Order(len(scenes), config.seed)

    def inputs(self, visit: int, device: torch.device) -> tuple[Tensor, ...]:
        """Image and label maps of a visit."""
        position, mirrored = self.order[visit]
        scene = self.scenes[position]
        if mirrored:
            scene = scene.flipped()
        return scene.image.to(device), scene.truths.to(device)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone at the learning rate, everything new at a multiple of it."""
        backbone = list(self.model.backbone.parameters())
        known = {id(p) for p in backbone}
        new = [p for p in self.model.parameters() if id(p) not in known]
        rate = self.config.learning_rate
        return [
            {"params": backbone, "lr": rate},
            {"params": new, "lr": rate * self.config.head_multiplier},
        ]
