"""Contingency table of two segmentations, from which every measure is computed.

A label map is a partition of the image: pixels with equal labels are one region, whatever the
labels' values; 0 is a label like any other. A map is compacted once (`Regions`) and may then be
compared with many others (`Contingency`), each in one pass over the pixels.

Sources: covering — Arbelaez, Maire, Fowlkes, Malik, "Contour Detection and Hierarchical Image
Segmentation", PAMI 2011, §2.3.3; Rand index — Rand, JASA 1971, in the closed form of Hubert and
Arabie, "Comparing partitions", J. of Classification 1985; variation of information — Meilă,
"Comparing clusterings by the variation of information", COLT 2003.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from workbench.errors import WorkbenchError

LabelMap = Integer[np.ndarray, "_ _"]
"""Label map (height, width), any integer dtype. Its dimensions are not named, so that two maps of
different size reach the check with the clearer message."""

_DENSE = 8
"""Largest number of cells a pixel of a table that is counted densely, which beats sorting."""


@dataclass(frozen=True)
class Regions:
    """Compacted label map.

    Attributes:
        shape: height and width of the map.
        index: (pixels,) int64, the region of every pixel, 0 … regions − 1, row-major.
        areas: (regions,) int64, pixels in each region, all positive.
    """

    shape: tuple[int, int]
    index: Int[np.ndarray, "pixels"]
    areas: Int[np.ndarray, "regions"]

    @classmethod
    def of(cls, labels: LabelMap) -> "Regions":
        """Compact a label map, in ascending order of the labels.

        Raises:
            WorkbenchError: the map has no pixels.
        """
        height, width = labels.shape
        if labels.size == 0:
            raise WorkbenchError(
                "a label map with pixels", f"shape {labels.shape}", "check how it was read"
            )
        if int(labels.max()) - int(labels.min()) > _DENSE * labels.size:
            _, index, areas = np.unique(labels.ravel(), return_inverse=True, return_counts=True)
            return cls((height, width), index, areas)
        offset = labels.ravel().astype(np.int64) - labels.min().astype(np.int64)
        counts = np.bincount(offset)
        present = counts > 0
        return cls((height, width), (np.cumsum(present) - 1)[offset], counts[present])


@dataclass(frozen=True)
class Contingency:
    """Non-empty intersections of the regions of a truth with the segments of a segmentation.

    Attributes:
        region: (cells,) int64, index of the truth's region.
        segment: (cells,) int64, index of the segmentation's segment.
        pixels: (cells,) int64, the size of their intersection.
        region_areas: (regions,) int64, pixels.
        segment_areas: (segments,) int64, pixels.
    """

    region: Int[np.ndarray, "cells"]
    segment: Int[np.ndarray, "cells"]
    pixels: Int[np.ndarray, "cells"]
    region_areas: Int[np.ndarray, "regions"]
    segment_areas: Int[np.ndarray, "segments"]

    @classmethod
    def of(cls, truth: Regions, segmentation: Regions) -> "Contingency":
        """Count the intersections.

        Raises:
            WorkbenchError: the two maps differ in size.
        """
        if truth.shape != segmentation.shape:
            raise WorkbenchError(
                f"a segmentation of the truth's size {truth.shape}",
                f"size {segmentation.shape}",
                "bring it to the image's full resolution (nearest neighbour) first",
            )
        columns = truth.areas.size
        code = segmentation.index * columns + truth.index
        if segmentation.areas.size * columns > _DENSE * code.size:
            cells, pixels = np.unique(code, return_counts=True)
        else:
            counts = np.bincount(code)
            cells = np.flatnonzero(counts)
            pixels = counts[cells]
        segment, region = np.divmod(cells, columns)
        return cls(region, segment, pixels, truth.areas, segmentation.areas)

    @property
    def size(self) -> int:
        """Number N of pixels of the image."""
        return int(self.region_areas.sum())

    def overlaps(self) -> Float[np.ndarray, "regions"]:
        """Overlaps max_{R'∈S} |R∩R'| / |R∪R'| of every region R of the truth; float64 in (0, 1]."""
        union = self.region_areas[self.region] + self.segment_areas[self.segment] - self.pixels
        best = np.zeros(self.region_areas.size)
        np.maximum.at(best, self.region, self.pixels / union)
        return best

    def covering(self) -> float:
        """Covering C(S→G) = (1/N) Σ_{R∈G} |R| max_{R'∈S} |R∩R'| / |R∪R'|, in (0, 1].

        The weights are the areas of the truth's regions: the covering is not symmetric.
        """
        return float(self.region_areas @ self.overlaps()) / self.size

    def rand_index(self) -> float:
        """Rand index: fraction of the pairs of pixels on which both maps agree (same or different).

        An image of one pixel has no pairs; its index is 1.
        """
        if self.size == 1:
            return 1.0
        # Twice the number of pairs that exactly one of the two maps puts together; exact integers.
        disagreements = _sum_of_squares(self.region_areas) + _sum_of_squares(self.segment_areas)
        disagreements -= 2 * _sum_of_squares(self.pixels)
        return 1 - disagreements / (self.size * (self.size - 1))

    def variation_of_information(self) -> float:
        """Variation of information H(S|G) + H(G|S), bits: 0 for equal maps, at most log₂ N."""
        ratio_of_region = self.region_areas[self.region] / self.pixels
        ratio_of_segment = self.segment_areas[self.segment] / self.pixels
        bits = np.log2(ratio_of_region) + np.log2(ratio_of_segment)
        return float(self.pixels @ bits) / self.size


def _sum_of_squares(counts: Int[np.ndarray, "_"]) -> int:
    return int(counts @ counts)


def covering(truth: LabelMap, segmentation: LabelMap) -> float:
    """Covering of the truth by the segmentation, in (0, 1]; see `Contingency.covering`.

    Args:
        truth: (height, width) labels; the areas of its regions are the weights.
        segmentation: (height, width) labels.

    Raises:
        WorkbenchError: the maps differ in size or are empty.
    """
    return _table(truth, segmentation).covering()


def rand_index(truth: LabelMap, segmentation: LabelMap) -> float:
    """Rand index: fraction of pixel pairs on which the maps agree, in [0, 1]; symmetric.

    Its mean over annotators is the probabilistic Rand index. Arguments and errors: as `covering`.
    """
    return _table(truth, segmentation).rand_index()


def variation_of_information(truth: LabelMap, segmentation: LabelMap) -> float:
    """Variation of information, bits; a metric on partitions. Arguments, errors: as `covering`."""
    return _table(truth, segmentation).variation_of_information()


def _table(truth: LabelMap, segmentation: LabelMap) -> Contingency:
    return Contingency.of(Regions.of(truth), Regions.of(segmentation))
