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
    counts         (segmentations,) int64, the k of each
    segmentations  (segmentations, height, width) int32
    coverings      (segmentations, annotators) float64
"""

from collections.abc import Mapping

import numpy as np
import torch

from workbench.data import Scene
from workbench.evaluation.pool import PoolScores, evaluate_pool
from workbench.models import DeepNCuts
from workbench.segmentation import PoolConfig, segment

Snapshot = Mapping[str, np.ndarray]


def look_at_scene(
    model: DeepNCuts, scene: Scene, config: PoolConfig | None = None
) -> tuple[PoolScores, Snapshot]:
    """Segment a scene at full resolution: the scores against its annotators, and a snapshot.

    The model must be in evaluation mode.
    """
    config = config or PoolConfig()
    device = next(model.parameters()).device
    with torch.inference_mode():
        affinity, shape = model(scene.image.to(device))
        pool = segment(affinity, shape, model.grid, scene.size, config)
    truths = scene.truths.numpy(force=True)
    scores = evaluate_pool(pool.segmentations, list(truths))
    spectrum = pool.embedding.spectrum
    learned = affinity.coupling
    coupling = {} if learned is None else {"coupling": learned.numpy(force=True)}
    return scores, coupling | {
        "image": scene.pixels,
        "truths": truths.astype(np.uint16),
        "maps": affinity.x.T.unflatten(1, shape).numpy(force=True),
        "grid": np.array([model.grid.stride, model.grid.offset]),
        "eigenvalues": spectrum.values.numpy(force=True),
        "eigenvectors": pool.embedding.maps.numpy(force=True),
        "rank": np.array(spectrum.rank),
        "counts": np.array(config.counts),
        "segmentations": np.stack(pool.segmentations),
        "coverings": scores.coverings,
    }
