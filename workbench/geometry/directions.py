"""Random directions for widths: orthogonal blocks of fixed norm, and a control variate's mean.

A width is even and homogeneous, w(tg) = |t| w(g), and norm and direction of a normal vector are
independent: with unit vectors u in place of g, ω = c_r E w(u), c_r = E‖g_r‖. This holds in the
r-dimensional span of the differences of points too, where less chance is left. Unit vectors are
drawn in orthogonal blocks (Haar), which spreads them evenly. Two control variates have known means:

- 2 (gᵀΣg)^½, twice the deviation of the points' projections: the width of an ellipsoid
  (`known_sets.ellipsoid`). Σ is the covariance of a sample, for any Σ ≥ 0 will do.
- Σᵢ ⟨xᵢ − c, g⟩⁶, a smooth stand-in for both extremes: its mean is 15 Σᵢ ‖xᵢ − c‖⁶ c_r⁶ /
  (r (r + 2)(r + 4)). On a sphere, where the first is constant, it is worth a factor of 3.

Sources: Vershynin 2018, §7.5; control variates by regression: Lavenberg and Welch, Management
Science 27, 1981.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.known_sets import ellipsoid, expected_norm

LEAST_DIRECTIONS = 8
BLOCKS = 16
"""Least number of independent blocks (of 16 directions or more): the interval needs them."""
PROBES = 4
"""Number of directions orthogonal to the span found: along them the points must not spread."""
FAR_OFFSET = 30.0
"""Distance of the mean from 0, over the points' deviation, past which the mean is subtracted."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions and all else that is fixed before the points are read; made by `draw`.

    Attributes:
        columns: (features, directions + probes + 1) the directions, each of norm c_r, then probes,
            both over `scale`, so that products with points are of the order of 1; last the centre.
        count: number of directions.
        block: number of directions in each orthogonal block, which is one independent draw.
        dimension: r, dimension of the span of the sample's differences, or of the whole space.
        sample: (rows, features) the sample from which all this was found.
        centre: (features,) mean of the sample.
        scale: deviation of the sample, the root of its mean squared distance from the centre.
        subtract: whether the centre is subtracted from the points, since it is far from 0.
        control: (blocks,) mean control variate of each block.
        control_mean: expectation of the control variate.
    """

    columns: Float[Tensor, "features all"]
    count: int
    block: int
    dimension: int
    sample: Float[Tensor, "rows features"]
    centre: Float[Tensor, "features"]
    scale: float
    subtract: bool
    control: Float64[Tensor, "blocks"]
    control_mean: float

    def sixth_moment(self) -> float:
        """Mean of ⟨v, g⟩⁶ over directions g, for ‖v‖ = 1."""
        r = self.dimension
        return 15 * expected_norm(r) ** 6 / (r * (r + 2) * (r + 4))


def draw(
    sample: Float[Tensor, "rows features"],
    directions: int = 256,
    seed: int = 0,
    *,
    whole_space: bool = False,
    complete: bool = False,
) -> Directions:
    """Directions for points like those of a sample; the same for every device.

    Args:
        sample: (rows, features) float32 or float64, some of the points.
        directions: least number; whole blocks are drawn, so that there may be a few more.
        seed: seed of the draw.
        whole_space: True: the points may leave the span of the sample's differences.
        complete: True: the sample is all points.

    Raises:
        WorkbenchError: fewer than 8 directions, or a sample that is not finite.
    """
    if directions < LEAST_DIRECTIONS:
        raise WorkbenchError(
            f"at least {LEAST_DIRECTIONS} directions", f"{directions}", "256 are a good start"
        )
    if not bool(torch.isfinite(sample).all()):
        raise WorkbenchError("finite points", "NaN or infinity among them", "leave these rows out")
    features = sample.shape[1]
    centre = sample.double().mean(0)
    centred = sample.double() - centre
    scales, rank = _semi_axes(centred, sample.dtype)
    # A sample of independent rows says nothing of the span of the others.
    spanned = 0 < rank < features and not whole_space and (complete or rank < len(sample) - 1)
    dimension = rank if spanned else features
    block = max(min(dimension, directions // BLOCKS), 1)
    count = -(-directions // block) * block
    generator = torch.Generator().manual_seed(seed)
    frames = _frames(count // block, dimension, block, generator).to(sample.device)
    chosen = expected_norm(dimension) * frames
    if spanned:
        basis = _span(centred, rank)
        probes = torch.randn(features, PROBES, generator=generator, dtype=torch.float64)
        probes = probes.to(sample.device)
        chosen = torch.cat([basis @ chosen, probes - basis @ (basis.T @ probes)], 1)
    control = 2 * torch.linalg.vector_norm(centred @ chosen[:, :count], dim=0)
    control = control / len(sample) ** 0.5
    scale = float(scales.norm()) or 1.0
    return Directions(
        columns=torch.cat([chosen / scale, centre[:, None]], 1).to(sample.dtype),
        count=count,
        block=block,
        dimension=dimension,
        sample=sample,
        centre=centre.to(sample.dtype),
        scale=scale,
        subtract=bool(centre.norm() > FAR_OFFSET * scale),
        control=control.unflatten(0, (-1, block)).mean(1).cpu(),
        control_mean=float(ellipsoid(scales)),
    )


def _small_gram(centred: Float64[Tensor, "rows features"]) -> Float64[Tensor, "n n"]:
    wide = centred.shape[0] < centred.shape[1]
    return centred @ centred.T if wide else centred.T @ centred


def _semi_axes(
    centred: Float64[Tensor, "rows features"], dtype: torch.dtype
) -> tuple[Float64[Tensor, "_"], int]:
    """Semi-axes of the ellipsoid of the rows' covariance, and their rank.

    From the Gram matrix of the smaller side: its error, 1e-7 of the largest semi-axis, is below
    the tolerance.
    """
    roots = torch.linalg.eigvalsh(_small_gram(centred)).clamp(min=0.0).sqrt()
    tolerance = max(torch.finfo(dtype).eps, 1e-9) * max(centred.shape) * roots.amax()
    return roots / len(centred) ** 0.5, int((roots > tolerance).sum())


def _span(centred: Float64[Tensor, "rows features"], rank: int) -> Float64[Tensor, "features rank"]:
    """Orthonormal basis of the rows' span."""
    values, vectors = torch.linalg.eigh(_small_gram(centred))
    basis: Tensor = vectors[:, -rank:]
    if centred.shape[0] < centred.shape[1]:
        basis = torch.linalg.qr(centred.T @ (basis * values[-rank:].rsqrt())).Q
    return basis


def _frames(
    count: int, dimension: int, block: int, generator: torch.Generator
) -> Float64[Tensor, "dimension directions"]:
    """Blocks of orthonormal columns, each uniform up to signs, which an even function ignores."""
    normal = torch.randn(count, dimension, block, generator=generator, dtype=torch.float64)
    frames: Tensor = torch.linalg.qr(normal).Q
    return frames.transpose(0, 1).reshape(dimension, count * block)
