"""New cuts of a snapshot: another number of segments, another seed, another height.

Everything that does not depend on the cut is computed once: the embedding from the snapshot's
factors, the hierarchy from its contours. A flat cut is then a clustering of some thousand blocks, a
cut of the hierarchy a table look-up.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.networks import Snapshot
from workbench.evaluation.scenes.pool import evaluate_pool
from workbench.evaluation.scenes.snapshots import affinity_of, array_of, grid_of, size_of
from workbench.segmentation import Hierarchy, HierarchyConfig, PoolConfig
from workbench.segmentation.hierarchical import STEP, full_size, grow_hierarchy
from workbench.segmentation.pool import cut
from workbench.segmentation.spectral import Embedding, spectral_embedding

MOST = 32
"""Largest number of eigenvectors in flat cuts."""

Labels = Int[np.ndarray, "height width"]


class Recut:
    """Cuts of one snapshot.

    Args:
        snapshot: snapshot of a scene.
        pool: configuration of flat cuts; its counts and seed are not used.
        hierarchy: configuration of the hierarchy; its heights are not used.

    Raises:
        WorkbenchError: the snapshot lacks an array, or normalized cuts are not defined on it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        pool: PoolConfig | None = None,
        hierarchy: HierarchyConfig | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._pool = pool or PoolConfig()
        self._config = hierarchy or HierarchyConfig()
        self._affinity = affinity_of(snapshot)
        self.size = size_of(snapshot)

    @property
    def has_contours(self) -> bool:
        """Whether the network predicted contours, so that there is a hierarchy."""
        return "contour" in self._snapshot

    def flat(self, clusters: int, seed: int = 0) -> Labels:
        """Flat k-way normalized cuts: labels 1 … n at full size, each segment connected.

        Args:
            clusters: k, before components are split and small ones dissolve.
            seed: seed of k-means; with 0 and a k of the snapshot's flat pool, the pool's own
                segmentation is returned.
        """
        counts = self._snapshot.get("counts")  # for a hierarchy these are not k
        own = [] if self.has_contours or counts is None else counts.tolist()
        if seed == 0 and clusters in own:
            return np.asarray(self._snapshot["segmentations"][own.index(clusters)])
        config = PoolConfig(
            (clusters,), self._pool.step, self._pool.min_fraction, self._pool.restarts, seed
        )
        return cut(self._flat_embedding, self.size, config).segmentations[0]

    def into(self, segments: int) -> Labels:
        """Cut of the hierarchy into a number of segments, limited by the number of basins."""
        return full_size(self.hierarchy.cut_into(segments), self.size)

    def at(self, height: float) -> Labels:
        """Cut of the hierarchy at a height."""
        return full_size(self.hierarchy.cut(height), self.size)

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Hierarchy, built at its first use in at most half a second.

        Raises:
            WorkbenchError: the network predicted no contours.
        """
        if not self.has_contours:
            raise WorkbenchError(
                "a network that predicts contours, for a hierarchy",
                "one without",
                "cut flat, or train with --head hypercolumn",
            )
        embedding = self._embedding(max(self._config.dimensions), STEP)
        strength = self._snapshot["contour"].astype(np.float64)
        return grow_hierarchy(embedding, strength, self._config)

    def coverings(self, labels: Labels) -> Float[np.ndarray, "annotators"]:
        """Coverings of each annotator's segments by the labels."""
        truths = array_of(self._snapshot, "truths")
        return np.asarray(evaluate_pool([labels], list(truths)).coverings[0])

    @cached_property
    def _flat_embedding(self) -> Embedding:
        return self._embedding(MOST, self._pool.step)

    def _embedding(self, dimensions: int, step: int) -> Embedding:
        return spectral_embedding(
            self._affinity,
            self._snapshot["maps"].shape[1:],
            grid_of(self._snapshot),
            self.size,
            dimensions=dimensions,
            step=step,
        )
