"""A network held against the human segmentations of scenes.

A snapshot of a scene holds all that a picture of it needs, so that views read a run alone:

    image          (height, width, 3) uint8
    truths         (annotators, height, width) uint16
    maps           (features, rows, columns) float32, the factors X of the affinity
    coupling       (features, features) float32, Λ; absent where it is the identity
    grid           (2,) float64, stride and offset of the cells of the maps, pixels
    eigenvalues    (count,) float64, descending
    eigenvectors   (count, fine_rows, fine_columns) float32, D^-½U at blocks of pixels
    rank           () int64, of the affinity
    effective_rank () float64, of the affinity, see `linalg.Affinity.effective_rank`
    contour        (rows, columns) float32, probability; absent where the network predicts none
    counts         (segmentations,) int64, the k of each; of a hierarchy's cut, its segments
    segmentations  (segmentations, height, width) int32
    coverings      (segmentations, annotators) float64
"""

from collections.abc import Mapping

import numpy as np
import torch

from workbench.data import Scene
from workbench.evaluation.scenes.pool import PoolScores, evaluate_pool
from workbench.models import ArchitectureConfig, DeepNCuts, Prediction
from workbench.segmentation import (
    Grid,
    HierarchyConfig,
    Pool,
    PoolConfig,
    segment,
    segment_hierarchy,
)

Snapshot = Mapping[str, np.ndarray]
CutConfig = PoolConfig | HierarchyConfig
"""How a network's affinity becomes segmentations."""


def usual_cut(architecture: ArchitectureConfig) -> CutConfig:
    """A hierarchy where the network predicts contours, otherwise flat clusterings."""
    return HierarchyConfig() if architecture.has_contour else PoolConfig()


def look_at_scene(
    model: DeepNCuts, scene: Scene, config: CutConfig | None = None
) -> tuple[PoolScores, Snapshot]:
    """Segment a scene at full resolution: the scores against its annotators, and a snapshot.

    The model must be in evaluation mode.

    Args:
        model: the network.
        scene: image and human segmentations.
        config: flat clusterings or a hierarchy; default: `usual_cut`.
    """
    config = config or usual_cut(model.config)
    device = next(model.parameters()).device
    with torch.inference_mode():
        found = model(scene.image.to(device))
    return look_at_prediction(found, model.grid, scene, config)


def look_at_prediction(
    found: Prediction, grid: Grid, scene: Scene, config: CutConfig
) -> tuple[PoolScores, Snapshot]:
    """`look_at_scene` for what a network predicted before."""
    pool = cut(found, grid, scene.size, config)
    truths = scene.truths.numpy(force=True)
    scores = evaluate_pool(pool.segmentations, list(truths))
    spectrum, learned = pool.embedding.spectrum, found.affinity.coupling
    snapshot = {
        "image": scene.pixels,
        "truths": truths.astype(np.uint16),
        "maps": found.affinity.x.T.unflatten(1, found.shape).numpy(force=True),
        "grid": np.array([grid.stride, grid.offset]),
        "eigenvalues": spectrum.values.numpy(force=True),
        "eigenvectors": pool.embedding.maps.numpy(force=True),
        "rank": np.array(spectrum.rank),
        "effective_rank": np.array(found.affinity.effective_rank()),
        "counts": np.array(
            config.counts if isinstance(config, PoolConfig) else scores.segments, np.int64
        ),
        "segmentations": np.stack(pool.segmentations),
        "coverings": scores.coverings,
    }
    if learned is not None:
        snapshot["coupling"] = learned.numpy(force=True)
    if found.contour is not None:
        snapshot["contour"] = found.contour.sigmoid().numpy(force=True)
    return scores, snapshot


def cut(found: Prediction, grid: Grid, image: tuple[int, int], config: CutConfig) -> Pool:
    """The segmentations of an image of a size in pixels, from what a network predicted."""
    with torch.inference_mode():
        if isinstance(config, HierarchyConfig):
            return segment_hierarchy(
                found.affinity, found.shape, grid, image, found.contour, config
            )
        return segment(found.affinity, found.shape, grid, image, config)
