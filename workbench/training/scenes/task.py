"""DeepNCuts as a task: scenes in, objectives over all their annotators out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from workbench.data import FeatureCache, Order, Scene, Scenes
from workbench.errors import WorkbenchError
from workbench.models.deep_ncuts import DeepNCuts
from workbench.models.hypercolumn import CONTOUR_STEP
from workbench.objectives import Agreement, contour_loss, drawn_contours, j1, j2
from workbench.segmentation import Prediction
from workbench.training.building import expected_features, parameter_groups
from workbench.training.scenes.config import DeepNCutsConfig
from workbench.training.trainer import MicroBatch


class ObjectiveOfImage(nn.Module):
    """Network with its objectives on top: one image and its label maps to scalars.

    An image is given as pixels, or as the backbone's maps where the backbone is frozen and its
    features are read from a store.
    """

    def __init__(self, model: DeepNCuts, config: DeepNCutsConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.objective = {"j1": j1, "j2": j2}[config.objective]
        self.agreement = Agreement() if config.agreement_weight else None

    def forward(
        self,
        image: Float[Tensor, "3 height width"] | Sequence[Float[Tensor, "_ _ _"]],
        truths: Int[Tensor, "annotators height width"],
    ) -> dict[str, Tensor]:
        """Weighted sum of the objectives, each of them, and measures of the affinity."""
        found = self._predict(image, (truths.shape[1], truths.shape[2]))
        config, labels = self.config, self.model.grid.sample_labels(truths, *found.shape)
        projector = self.objective(found.affinity, labels, ridge=config.ridge)
        loss = config.objective_weight * projector.value
        outcome: dict[str, Tensor | float] = {
            config.objective: projector.value,
            "alignment": projector.alignment,
            "rank": projector.rank,
            "condition": projector.condition,
        }
        if found.contour is not None:
            contour = contour_loss(found.contour, drawn_contours(truths, CONTOUR_STEP))
            outcome["contour"] = contour
            loss = loss + config.contour_weight * contour
        if self.agreement is not None:
            agreement = self.agreement(found.affinity, labels, found.shape)
            outcome["agreement"] = agreement
            loss = loss + config.agreement_weight * agreement
        scalars = {name: torch.as_tensor(value) for name, value in outcome.items()}
        return {"loss": loss} | scalars

    def _predict(
        self,
        image: Float[Tensor, "3 height width"] | Sequence[Float[Tensor, "_ _ _"]],
        size: tuple[int, int],
    ) -> Prediction:
        if not isinstance(image, Tensor):
            return self.model.predict(image, size)
        with torch.set_grad_enabled(not self.config.frozen):
            features = self.model.features(image)
        return self.model.predict(features, size)


class SegmentationTask:
    """Task of training a DeepNCuts on scenes, mirrored at random; annotators have equal weights.

    The paper does not say how it uses the several human segmentations of an image; the mean over
    them was chosen because the factored objective computes it at the cost of one.
    """

    def __init__(self, model: DeepNCuts, scenes: Scenes, config: DeepNCutsConfig) -> None:
        self.network = ObjectiveOfImage(model, config)
        self.model, self.scenes, self.config = model, scenes, config
        self.samples = len(scenes)
        self.order = Order(len(scenes), config.seed)
        if config.frozen:
            model.backbone.requires_grad_(False)
        self.cache = _opened(config, scenes)

    def micro_batches(self, visits: Sequence[int], device: torch.device) -> Iterator[MicroBatch]:
        """Micro-batches of one image each, because images have different sizes."""
        return (MicroBatch(self.inputs(visit, device), 1) for visit in visits)

    def inputs(self, visit: int, device: torch.device) -> tuple[Any, ...]:
        """Image, or its stored features, and label maps of a visit."""
        position, mirrored = self.order[visit]
        scene = self.scenes[position]
        if mirrored:
            scene = scene.flipped()
        if self.cache is not None:
            maps = self.cache.maps(scene.id, mirrored)
            return tuple(each.to(device) for each in maps), scene.truths.to(device)
        scene = self._varied(scene, np.random.default_rng((self.config.seed, visit)))
        return scene.image.to(device), scene.truths.to(device)

    def _varied(self, scene: Scene, random: np.random.Generator) -> Scene:
        """Scene at a random size, or a random part of it, as the configuration says."""
        low, high = self.config.scales
        if (low, high) != (1.0, 1.0):
            scene = scene.scaled(low * (high / low) ** random.random())
        if self.config.crop < 1:
            height, width = (
                max(1, round(side * random.uniform(self.config.crop, 1))) for side in scene.size
            )
            top = int(random.integers(scene.size[0] - height + 1))
            left = int(random.integers(scene.size[1] - width + 1))
            scene = scene.cropped(top, left, height, width)
        return scene

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups, see `building.parameter_groups`."""
        return parameter_groups(self.network, self.model.backbone, self.config)


def _opened(config: DeepNCutsConfig, scenes: Scenes) -> FeatureCache | None:
    """Store of features, after a check that it fits the network; None without one.

    Raises:
        WorkbenchError: the store belongs to another network, or the weights are not known.
    """
    if config.cache is None:
        return None
    if config.start is not None:
        raise WorkbenchError(
            "the pretrained weights themselves, to read their features from a store",
            f"those of {config.start}",
            "leave --cache out",
        )
    expected, cache = expected_features(config), FeatureCache(config.cache)
    cache.check(scenes, mirrored=True, **expected)
    return cache
