"""A network held against the human segmentations of many scenes."""

from collections.abc import Iterable, Iterator

import torch

from workbench.data import Scene
from workbench.evaluation.pool import PoolScores, evaluate_pool
from workbench.models import DeepNCuts
from workbench.segmentation import Pool, PoolConfig, segment


def segment_scene(model: DeepNCuts, scene: Scene, config: PoolConfig | None = None) -> Pool:
    """The eight segmentations of a scene, at its full resolution; the model in evaluation mode."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        affinity, shape = model(scene.image.to(device))
        return segment(affinity, shape, model.grid, scene.size, config)


def score_scenes(
    model: DeepNCuts, scenes: Iterable[Scene], config: PoolConfig | None = None
) -> Iterator[PoolScores]:
    """The scores of each scene's segmentations against all its annotators."""
    model.eval()
    for scene in scenes:
        pool = segment_scene(model, scene, config)
        yield evaluate_pool(pool.segmentations, list(scene.truths.numpy(force=True)))
