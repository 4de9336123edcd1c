"""New cuts of a snapshot: another number of segments, another seed, another height.

Everything that does not depend on the cut is computed once: the embedding from the snapshot's
factors, the hierarchy from its contours, or from the gradient of the embedding where the network
predicts none. A flat cut is then a clustering of some thousand blocks, a cut of the hierarchy a
table look-up.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from workbench.evaluation.scenes.pool import evaluate_pool
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.segmentation import Hierarchy, HierarchyConfig, PoolConfig
from workbench.segmentation.hierarchical import STEP, full_size, grow_hierarchy
from workbench.segmentation.pool import cut_embedding
from workbench.segmentation.spectral import Embedding, spectral_embedding

MOST = 32
"""Largest number of eigenvectors in flat cuts."""

Labels = Int[np.ndarray, "height width"]


class Recut:
    """Cuts of one snapshot.

    Args:
        snapshot: of a scene.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._prediction = snapshot.prediction
        self.size = self._prediction.image

    @property
    def has_contours(self) -> bool:
        """Whether the network predicted any; its segmentations are then cuts of a hierarchy."""
        return self._snapshot.contour is not None

    def flat(self, clusters: int, seed: int = 0) -> Labels:
        """Flat k-way normalized cuts: labels 1 … n at full size, each segment connected.

        Args:
            clusters: k, before components are split and small ones dissolve.
            seed: seed of k-means; with 0 and a k of the snapshot's flat pool, the pool's own
                segmentation is returned.
        """
        counts = self._snapshot.counts  # of a hierarchy they are not k
        own = [] if self.has_contours or counts is None else counts.tolist()
        if seed == 0 and clusters in own:
            return np.asarray(self._snapshot.segmentations[own.index(clusters)])
        config = PoolConfig((clusters,), seed=seed)
        return cut_embedding(self._flat_embedding, self.size, config).segmentations[0]

    def into(self, segments: int) -> Labels:
        """Cut of the hierarchy into a number of segments, limited by the number of basins."""
        return full_size(self.hierarchy.cut_into(segments), self.size)

    def at(self, height: float) -> Labels:
        """Cut of the hierarchy at a height."""
        return full_size(self.hierarchy.cut(height), self.size)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Hierarchy, built at its first use in at most half a second."""
        config = HierarchyConfig()
        embedding = spectral_embedding(
            self._prediction, dimensions=max(config.dimensions), step=STEP
        )
        contour = self._snapshot.contour
        strength = None if contour is None else contour.astype(np.float64)
        return grow_hierarchy(embedding, strength, config)

    def coverings(self, labels: Labels) -> Float[np.ndarray, "annotators"]:
        """How well labels cover what each annotator drew; empty where there is no annotator."""
        if not len(self._snapshot.truths):
            return np.zeros(0)
        return np.asarray(evaluate_pool([labels], list(self._snapshot.truths)).coverings[0])

    @cached_property
    def _flat_embedding(self) -> Embedding:
        return spectral_embedding(self._prediction, dimensions=MOST, step=PoolConfig().step)
