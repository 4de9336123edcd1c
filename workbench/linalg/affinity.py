"""The affinity of normalized cuts, W = XΛXᵀ, kept as its factors.

With m pixels and d features, degrees, products and the whole spectrum of D^-½WD^-½ cost O(md²)
time and O(md) memory; the m×m matrix is never formed (paper §5).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.effective_rank import effective_rank
from workbench.linalg.gram import gram
from workbench.linalg.outcomes import reciprocal
from workbench.linalg.precision import LARGEST_ROOT, check_real, is_narrow, uncast, unit_of, widened
from workbench.linalg.spectral import Spectrum, leading_eigenpairs
from workbench.linalg.tall_products import degrees


@dataclass(frozen=True)
class Affinity:
    """Affinity W = XΛXᵀ by its factors.

    Attributes:
        x: (pixels, features), real floating. float16 and bfloat16 count as the float32 numbers that
            they are; products with W have the dtype of the input.
        coupling: Λ, (features, features), symmetric; None means the identity.

    Raises:
        WorkbenchError: x or coupling is not real.
    """

    x: Float[Tensor, "pixels features"]
    coupling: Float[Tensor, "features features"] | None = None

    def __post_init__(self) -> None:
        for factor, what in ((self.x, "matrix of features"), (self.coupling, "coupling matrix")):
            if isinstance(factor, Tensor):  # torch.export rebuilds it around other things
                check_real(factor, what)

    @property
    def pixels(self) -> int:
        """Number of rows of W."""
        return self.x.shape[0]

    @property
    def features(self) -> int:
        """Number of columns of X: the largest rank that W can have."""
        return self.x.shape[1]

    @property
    def single(self) -> Float[Tensor, "pixels features"]:
        """Factor X, in float32 where it is half precision."""
        return self.x.float() if is_narrow(self.x.dtype) else self.x

    @property
    def degrees(self) -> Float64[Tensor, "pixels"]:
        """Degrees W1 = XΛ(Xᵀ1), float64."""
        if torch.compiler.is_compiling():  # a tensor of the traced graph must not be kept
            return degrees(self.single, self.coupling)
        return self._kept_degrees

    @cached_property
    def _kept_degrees(self) -> Float64[Tensor, "pixels"]:
        return degrees(self.single, self.coupling)

    def __matmul__(self, v: Float[Tensor, "pixels columns"]) -> Float[Tensor, "pixels columns"]:
        """Product Wv, in O(pixels · features · columns), in the dtype of v.

        Raises:
            WorkbenchError: v is not real.
        """
        check_real(v, "matrix to multiply")
        dtype = torch.promote_types(widened(self.x).dtype, widened(v).dtype)
        x, wide = self.x.to(dtype), v.to(dtype)
        with uncast(x):
            inner = x.T @ wide
            return (x @ (inner if self.coupling is None else self.coupling.to(x) @ inner)).to(v)

    def rows(self, pixels: Int[Tensor, "rows"]) -> Float[Tensor, "rows pixels"]:
        """Rows of W that belong to the given pixels, for display."""
        x = widened(self.x)
        left = x[pixels]
        with uncast(x):
            left = left if self.coupling is None else left @ self.coupling.to(x)
            return (left @ x.T).to(self.x)

    def dense(self) -> Float[Tensor, "pixels pixels"]:
        """Matrix W itself, O(pixels²) memory: for tests and small pictures."""
        return self.rows(torch.arange(self.pixels, device=self.x.device))

    @torch.no_grad()
    def effective_rank(self) -> float:
        """Effective rank of W, in [1, features]; 0 where all features are zero.

        See `linalg.effective_rank`.

        Raises:
            WorkbenchError: Λ has a negative eigenvalue.
        """
        self = within_range(self)
        root = None if self.coupling is None else _square_root(self.coupling)
        return float(effective_rank(torch.linalg.eigvalsh(gram(self.single, mix=root))))

    @torch.no_grad()
    def eigenvalues(self) -> Float64[Tensor, "features"]:
        """Eigenvalues of D^-½WD^-½ that may differ from zero, descending, clamped at 0.

        `spectrum` without vectors: O(md²) time, and no memory of the size of X.

        Raises:
            WorkbenchError: as `spectrum`.
        """
        self = within_range(self)
        weight = reciprocal(checked_degrees(self))
        root = None if self.coupling is None else _square_root(self.coupling)
        values: Tensor = torch.linalg.eigvalsh(gram(self.single, weight, root))
        return values.flip(0).clamp(min=0.0)

    def spectrum(self, count: int) -> Spectrum:
        """Top eigenpairs of D^-½WD^-½ from the d×d Gram matrix of D^-½XΛ^½.

        Fewer than `count` pairs come back where the rank is smaller. Pixels of degree zero (all
        features zero) have zero rows. Differentiable, once, for functions that do not depend on
        rotations within the subspace of the vectors, ties included: see `linalg.spectral`.

        Raises:
            WorkbenchError: a degree is negative, Λ has a negative eigenvalue, or X is not finite.

        Warns:
            ClosedGapWarning: gradients are recorded, and the next eigenvalue is (almost) the last.
        """
        scaled = within_range(self)
        degrees, coupling = checked_degrees(scaled), scaled.coupling
        root = None if coupling is None else _square_root(coupling.detach())
        found = leading_eigenpairs(scaled.single, coupling, root, degrees, count)
        return found if scaled is self else replace(found, degrees=self.degrees)


# a layer that returns an affinity can then be exported by torch.export
torch.export.register_dataclass(Affinity, serialized_type_name="workbench.linalg.Affinity")


def within_range(affinity: Affinity) -> Affinity:
    """Affinity with X and Λ divided by powers of two where squares would leave float64's range.

    The subspaces and eigenvalues of D^-½WD^-½, and the range of W, do not depend on them, so no
    gradient flows through them. Squares of float32 stay in range: nothing is looked at then.
    """
    x, coupling = _within_range(affinity.x), affinity.coupling
    if coupling is not None:
        coupling = _within_range(coupling)
    if x is affinity.x and coupling is affinity.coupling:
        return affinity
    return Affinity(x, coupling)


def _within_range(factor: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    if factor.dtype != torch.float64 or factor.numel() == 0:
        return factor
    if 1 / LARGEST_ROOT < float(torch.linalg.vector_norm(factor.detach())) < LARGEST_ROOT:
        return factor  # a third of the time that the largest entry takes
    unit = unit_of(factor)
    return factor if float(unit) == 1 else factor / unit


def checked_degrees(affinity: Affinity) -> Float64[Tensor, "pixels"]:
    """Degrees, after making sure that normalized cuts are defined on them.

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


def _square_root(coupling: Float[Tensor, "d d"]) -> Float64[Tensor, "d d"]:
    wide = coupling.double()
    values, vectors = torch.linalg.eigh((wide + wide.T) / 2)
    floor = -len(values) * torch.finfo(coupling.dtype).eps * float(values.abs().max())
    if float(values[0]) < floor:
        raise WorkbenchError(
            "a positive semidefinite coupling matrix",
            f"an eigenvalue of {float(values[0]):.3g}",
            "parametrise it as the square of a matrix, as layers.NormalizedCuts does",
        )
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root
