"""Scores of a pool of segmentations of one image against all its annotators.

The protocol is the paper's "best" and "average" covering (§6.2), taken as two independent maxima
over the pool, together with the measures of the Berkeley benchmark (Arbelaez et al., PAMI 2011,
§2.3). Every maximum grows with the size of the pool: compare only pools of equal size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.contingency import Contingency, LabelMap, Regions


@dataclass(frozen=True)
class PoolScores:
    """Scores of one image's pool.

    Attributes:
        coverings: (segmentations, annotators) float64, C of each annotator by each segmentation.
        rand_indices: (segmentations, annotators) float64.
        variations: (segmentations, annotators) float64, variation of information, bits.
        segments: (segmentations,) int64, number of segments in each.
        benchmark_best: the benchmark's own "best": every region of every annotator is covered by
            the segment that suits it most among all segmentations of the pool; mean weighted by
            area over all regions of all annotators.
        pixels: in the image.
    """

    coverings: Float[np.ndarray, "segmentations annotators"]
    rand_indices: Float[np.ndarray, "segmentations annotators"]
    variations: Float[np.ndarray, "segmentations annotators"]
    segments: Int[np.ndarray, "segmentations"]
    benchmark_best: float
    pixels: int

    @property
    def annotators(self) -> int:
        """Number of annotators of the image."""
        return int(self.coverings.shape[1])

    @property
    def best(self) -> float:
        """Best covering of the paper: maximum of C over segmentations and annotators."""
        return float(self.coverings.max())

    @property
    def average(self) -> float:
        """Average covering of the paper: maximum over segmentations of the mean over annotators."""
        return float(self.covering.max())

    @property
    def covering(self) -> Float[np.ndarray, "segmentations"]:
        """Mean covering over annotators, for each segmentation."""
        return np.asarray(self.coverings.mean(axis=1))

    @property
    def pri(self) -> Float[np.ndarray, "segmentations"]:
        """Probabilistic Rand index of each segmentation: the mean over annotators."""
        return np.asarray(self.rand_indices.mean(axis=1))

    @property
    def vi(self) -> Float[np.ndarray, "segmentations"]:
        """Variation of information of each segmentation, bits: the mean over annotators."""
        return np.asarray(self.variations.mean(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Scores as plain values, for JSON."""
        return {
            "best": self.best,
            "average": self.average,
            "benchmark_best": self.benchmark_best,
            "pri": self.pri.tolist(),
            "vi_bits": self.vi.tolist(),
            "segments": self.segments.tolist(),
            "covering": self.coverings.tolist(),
        }


def evaluate_pool(segmentations: Sequence[LabelMap], truths: Sequence[LabelMap]) -> PoolScores:
    """Score every segmentation of an image against every annotator.

    Args:
        segmentations: (height, width) label maps, one for each scale.
        truths: (height, width) label maps, one for each annotator.

    Raises:
        WorkbenchError: one of the two is empty, or two maps differ in size.
    """
    for name, maps in (("segmentation", segmentations), ("human segmentation", truths)):
        if len(maps) == 0:
            raise WorkbenchError(f"at least one {name} of the image", "none", "check its source")
    segmented = [Regions.of(labels) for labels in segmentations]
    true = [Regions.of(labels) for labels in truths]
    tables = [[Contingency.of(truth, segments) for truth in true] for segments in segmented]
    return PoolScores(
        coverings=np.array([[table.covering() for table in row] for row in tables]),
        rand_indices=np.array([[table.rand_index() for table in row] for row in tables]),
        variations=np.array([[t.variation_of_information() for t in row] for row in tables]),
        segments=np.array([segments.areas.size for segments in segmented]),
        benchmark_best=_benchmark_best(tables),
        pixels=true[0].index.size,
    )


def _benchmark_best(tables: Sequence[Sequence[Contingency]]) -> float:
    """Mean over annotators of C with every region's overlap maximised over the pool.

    The benchmark sums area times overlap over the regions of all annotators and divides by the
    summed areas; every annotator's areas sum to the image, so that this is the plain mean.
    """
    by_annotator = zip(*tables, strict=True)
    covered = [
        column[0].region_areas @ np.max([table.overlaps() for table in column], axis=0)
        for column in by_annotator
    ]
    return float(np.mean(covered)) / tables[0][0].size
