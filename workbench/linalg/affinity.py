"""The affinity of normalized cuts, W = XΛXᵀ, kept as its factors.

With m pixels and d features, degrees, products and the whole spectrum of D^-½WD^-½ cost O(md²)
time and O(md) memory; the m×m matrix is never formed (paper §5).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram import gram
from workbench.linalg.outcomes import reciprocal
from workbench.linalg.spectral import Spectrum, leading_eigenpairs
from workbench.linalg.tall_products import degrees


@dataclass(frozen=True)
class Affinity:
    """W = XΛXᵀ by its factors.

    Attributes:
        x: (pixels, features), float32 or float64.
        coupling: Λ, (features, features), symmetric; None means the identity.
    """

    x: Float[Tensor, "pixels features"]
    coupling: Float[Tensor, "features features"] | None = None

    @property
    def pixels(self) -> int:
        """Number of rows of W."""
        return self.x.shape[0]

    @property
    def features(self) -> int:
        """Number of columns of X: the largest rank that W can have."""
        return self.x.shape[1]

    @cached_property
    def degrees(self) -> Float64[Tensor, "pixels"]:
        """W1 = XΛ(Xᵀ1), float64."""
        return degrees(self.x, self.coupling)

    def __matmul__(self, v: Float[Tensor, "pixels columns"]) -> Float[Tensor, "pixels columns"]:
        """Wv, in O(pixels · features · columns)."""
        inner = self.x.T @ v
        return self.x @ (inner if self.coupling is None else self.coupling @ inner)

    def rows(self, pixels: Int[Tensor, "rows"]) -> Float[Tensor, "rows pixels"]:
        """The rows of W that belong to the given pixels, for looking at."""
        left = self.x[pixels]
        return (left if self.coupling is None else left @ self.coupling) @ self.x.T

    def dense(self) -> Float[Tensor, "pixels pixels"]:
        """W itself, O(pixels²) memory: for oracles and small pictures."""
        return self.rows(torch.arange(self.pixels, device=self.x.device))

    @torch.no_grad()
    def effective_rank(self) -> float:
        """Effective rank of W, in [1, features]; 0 where all features are off.

        See `linalg.effective_rank`.

        Raises:
            WorkbenchError: Λ has a negative eigenvalue.
        """
        root = None if self.coupling is None else _square_root(self.coupling.double())
        return float(effective_rank(torch.linalg.eigvalsh(gram(self.x, mix=root))))

    @torch.no_grad()
    def eigenvalues(self) -> Float64[Tensor, "features"]:
        """Eigenvalues of D^-½WD^-½ that may differ from zero, descending, clamped at 0.

        `spectrum` without vectors: O(md²) time, and no memory of the size of X.

        Raises:
            WorkbenchError: as `spectrum`.
        """
        weight = reciprocal(checked_degrees(self))
        root = None if self.coupling is None else _square_root(self.coupling.double())
        values: Tensor = torch.linalg.eigvalsh(gram(self.x, weight, root))
        return values.flip(0).clamp(min=0.0)

    def spectrum(self, count: int) -> Spectrum:
        """Top eigenpairs of D^-½WD^-½ from the d×d Gram matrix of D^-½XΛ^½.

        Fewer than `count` pairs come back where the rank is smaller. Pixels of degree zero (all
        features off) have zero rows. Differentiable, once, in whatever rotations within the
        subspace of the vectors leave alone, ties included: see `linalg.spectral`.

        Raises:
            WorkbenchError: a degree is negative, Λ has a negative eigenvalue, or X is not finite.

        Warns:
            ClosedGapWarning: gradients are recorded, and the next eigenvalue is (almost) the last.
        """
        degrees = checked_degrees(self)
        root = None
        if self.coupling is not None:
            root = _square_root(self.coupling.detach().double())
        return leading_eigenpairs(self.x, self.coupling, root, degrees, count)


def checked_degrees(affinity: Affinity) -> Float64[Tensor, "pixels"]:
    """The degrees, after making sure that normalized cuts are defined on them.

    Raises:
        WorkbenchError: X or Λ is not finite, or a degree is negative.
    """
    degrees = affinity.degrees
    if not bool(torch.isfinite(degrees).all()):
        raise WorkbenchError(
            "finite features and coupling",
            "NaN or Inf in the degrees of the affinity",
            "lower the learning rate, or look for NaN in the input image",
        )
    lowest = float(degrees.detach().min()) if len(degrees) else 0.0
    if lowest < 0:
        raise WorkbenchError(
            "an affinity with nonnegative degrees",
            f"a degree of {lowest:.3g}",
            "end the network in a ReLU, and keep the coupling matrix nonnegative",
        )
    return degrees


def _square_root(coupling: Float64[Tensor, "d d"]) -> Float64[Tensor, "d d"]:
    values, vectors = torch.linalg.eigh((coupling + coupling.T) / 2)
    floor = -len(values) * torch.finfo(values.dtype).eps * float(values.abs().max())
    if float(values[0]) < floor:
        raise WorkbenchError(
            "a positive semidefinite coupling matrix",
            f"an eigenvalue of {float(values[0]):.3g}",
            "parametrise it as the square of a matrix, as layers.NormalizedCuts does",
        )
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
