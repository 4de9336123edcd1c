"""Sufficient statistics of a layer over any number of images: sums and Gram matrix of its cells.

With n cells of d features they take O(d²) memory whatever n, can be merged, and give the spectrum,
the ranks, the mean angle between cells, and the degrees of a normalized cut over all images. Above
`SKETCHED` features the Gram matrix is that of a random projection (Johnson and Lindenstrauss),
whose inner products are right in the mean, with a relative error of about √(2/`SKETCH`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.effective_rank import effective_rank
from workbench.probe.affinities import unit_length

SKETCHED = 2048
"""Number of features above which a layer is projected before its Gram matrix is summed."""
SKETCH = 1024
"""Number of dimensions of the projection."""
_BLOCK = 1 << 16
"""Number of cells whose products are summed in float32 before they are added in float64."""
_DEAD = 0.0


@dataclass
class LayerStatistics:
    """Statistics of a layer: sums over cells, by `add` and `merged`.

    Attributes:
        cells: number of cells.
        images: number of images.
        total: (d,) sum of the features.
        unit_total: (d,) sum of the features at unit length.
        squares: sum of the squared lengths.
        largest: (d,) largest absolute value of each feature.
        gram: (d, d) sum of the outer products, or (SKETCH, SKETCH) of the projected features.
    """

    cells: int
    images: int
    total: Float64[Tensor, "d"]
    unit_total: Float64[Tensor, "d"]
    squares: float
    largest: Float64[Tensor, "d"]
    gram: Float64[Tensor, "k k"]

    @classmethod
    def empty(cls, features: int) -> "LayerStatistics":
        """Statistics of no cells yet, of a layer of that many features."""
        width = features if features <= SKETCHED else SKETCH
        vector = torch.zeros(features, dtype=torch.float64)
        matrix = torch.zeros(width, width, dtype=torch.float64)
        return cls(0, 0, vector, vector.clone(), 0.0, vector.clone(), matrix)

    @property
    def features(self) -> int:
        """Number of features, d."""
        return len(self.total)

    @property
    def sketched(self) -> bool:
        """Whether the Gram matrix is that of projected features."""
        return len(self.gram) != self.features

    def add(self, values: Float[Tensor, "cells d"], images: int = 1) -> None:
        """Count the cells of some images."""
        if values.shape[1] != self.features:
            raise WorkbenchError(
                f"{self.features} features, as in the images before",
                f"{values.shape[1]}",
                "probe images of one size: give preprocessing=Preprocessing(size=(rows, columns))",
            )
        for block in values.float().split(_BLOCK):
            self.total += block.sum(0, dtype=torch.float64).cpu()
            self.unit_total += unit_length(block).sum(0, dtype=torch.float64).cpu()
            self.squares += float(block.square().sum(dtype=torch.float64))
            self.largest = torch.maximum(self.largest, block.abs().amax(0).double().cpu())
            seen = block @ projection(self.features).to(block) if self.sketched else block
            self.gram += (seen.mT @ seen).double().cpu()
        self.cells += len(values)
        self.images += images

    def merged(self, other: "LayerStatistics") -> "LayerStatistics":
        """Statistics of the cells of both."""
        return LayerStatistics(
            self.cells + other.cells,
            self.images + other.images,
            self.total + other.total,
            self.unit_total + other.unit_total,
            self.squares + other.squares,
            torch.maximum(self.largest, other.largest),
            self.gram + other.gram,
        )

    def eigenvalues(self, centred: bool = True) -> Float64[Tensor, "k"]:
        """Eigenvalues of the covariance, or of XᵀX/n, descending, clamped at 0.

        Args:
            centred: whether the mean is taken off first.
        """
        if not self.cells:
            return torch.zeros(len(self.gram), dtype=torch.float64)
        second = self.gram / self.cells
        if centred:
            mean = self.total / self.cells
            if self.sketched:
                mean = mean @ projection(self.features).double()
            second = second - torch.outer(mean, mean)
        values: Tensor = torch.linalg.eigvalsh(second)
        return values.flip(0).clamp(min=0)

    @property
    def effective_rank(self) -> float:
        """Effective rank of the covariance (Roy and Vetterli, 2007): exp of its entropy."""
        return float(effective_rank(self.eigenvalues()))

    @property
    def stable_rank(self) -> float:
        """Trace of XᵀX over its largest eigenvalue; 0 where all features are off."""
        top = float(self.eigenvalues(centred=False)[0])
        return self.squares / self.cells / top if top > 0 else 0.0

    @property
    def dead(self) -> int:
        """Number of features that are zero at every cell."""
        return int((self.largest == _DEAD).sum())

    @property
    def mean_cosine(self) -> float:
        """Mean cosine between the features of two cells, over all ordered pairs."""
        if not self.cells:
            return float("nan")
        return float(self.unit_total.square().sum()) / self.cells**2

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays by name, for a file."""
        counts = {"cells": self.cells, "images": self.images, "squares": self.squares}
        tensors = {name: getattr(self, name).numpy() for name in _TENSORS}
        return tensors | {name: np.array(value, np.float64) for name, value in counts.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LayerStatistics":
        """Statistics out of `to_arrays`."""
        tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in _TENSORS}
        return cls(
            cells=int(arrays["cells"]),
            images=int(arrays["images"]),
            squares=float(arrays["squares"]),
            **tensors,
        )


_TENSORS = ("total", "unit_total", "largest", "gram")
_PROJECTIONS: dict[int, Tensor] = {}


def projection(features: int) -> Float[Tensor, "d k"]:
    """Gaussian projection of that many features to `SKETCH` dimensions, always the same one."""
    if features not in _PROJECTIONS:
        random = torch.Generator().manual_seed(features)
        drawn = torch.randn(features, SKETCH, generator=random)
        _PROJECTIONS[features] = drawn / SKETCH**0.5
    return _PROJECTIONS[features]
