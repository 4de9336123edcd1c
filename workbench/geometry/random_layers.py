"""Angles and distances after random layers with ReLU, exact for infinitely many units.

For a_ij ~ N(0, 1/m), m the number of *outputs*, ρ(t) = t where t ≥ 0 and st below (s, the slope:
ReLU 0, identity 1, |t| −1), and m → ∞:

    ‖ρ(Au)‖² → ½(1 + s²)‖u‖²
    cos α'   →  cos α + (1 − s)²/(1 + s²) ψ(α),    ψ(α) = (sin α − α cos α)/π

After Giryes, Sapiro and Bronstein (IEEE TSP 2016, arXiv 1504.08291, on distances and on angles);
the map of ReLU is the arc-cosine kernel of degree 1 of Cho and Saul (NIPS 2009, §2). Hence
‖ρ(Au) − ρ(Av)‖² → ½‖u − v‖² − ‖u‖‖v‖ψ(α), with a *minus*: slides of the authors print a plus, which
v = −u refutes. So a layer keeps the ratio of small angles and distances, and shrinks large ones.

Half angles and series replace arccos, so that every angle comes out to rounding, 1e-300 too.
Results are float64, of any shape, and differentiable. Which layers these formulas hold for:
`assumptions.why_not`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial, isfinite, pi
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import conv2d

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array, angles, float64
from workbench.linalg.transforms import BothModes, applied

Pair = tuple[int, int]

_SERIES = [(-1) ** (k + 1) * 2 * k / factorial(2 * k + 1) for k in range(1, 11)]
"""Coefficients of sin α − α cos α in α³, α⁵, …: to rounding where α ≤ 1."""


def psi(alpha: Array | float) -> Float64[Tensor, "*shape"]:
    """Function ψ(α) = (sin α − α cos α)/π, from 0 at α = 0 to 1 at π; ψ(α) ≈ α³/3π.

    Raises:
        WorkbenchError: an angle is NaN or outside [0, π].
    """
    alpha = angles(alpha)
    return alpha**2 * _psi_over_square(alpha)


def _psi_over_square(alpha: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Ratio ψ(α)/α², smooth at 0."""
    small = alpha < 1
    near, far = torch.where(small, alpha, 0.5), torch.where(small, 2.0, alpha)
    series = torch.zeros_like(near)
    for coefficient in reversed(_SERIES):
        series = series * near**2 + coefficient
    return torch.where(small, near * series, (far.sin() - far * far.cos()) / far**2) / pi


def bend(slope: float) -> float:
    """Factor (1 − s)²/(1 + s²) of ψ: 1 for ReLU, 0 for the identity, 2 for the absolute value.

    Raises:
        WorkbenchError: the slope is NaN or Inf.
    """
    if not isfinite(slope):
        raise WorkbenchError("a finite slope", f"{slope}", "ReLU has slope 0, a leaky one .01, say")
    return (1 - slope) ** 2 / (1 + slope**2)


def angle_after(
    alpha: Array | float, layers: int = 1, slope: float = 0.0
) -> Float64[Tensor, "*shape"]:
    """Angle after random layers, each followed by the activation; N α_N → 3π for N layers of ReLU.

    Args:
        alpha: angles between inputs, in radians, of any shape.
        layers: number of layers; 0 gives alpha back.
        slope: s, the activation's slope below zero.

    Raises:
        WorkbenchError: an angle outside [0, π], a negative number of layers, or no finite slope.
    """
    factor = bend(slope)
    if layers < 0:
        raise WorkbenchError("a number of layers", f"{layers}", "0 gives the angle itself back")
    alpha = angles(alpha)
    if slope == 1:
        return alpha
    for _ in range(layers):
        alpha = _angle_map(alpha, slope, factor)
    return alpha


def _angle_map(
    alpha: Float64[Tensor, "*shape"], slope: float, factor: float
) -> Float64[Tensor, "*shape"]:
    """Map of one layer, α' = 2 atan2(sin ½α', cos ½α'), both without cancellation.

    Below π/2 sin² ½α' = sin² ½α − ½cψ(α); above, with β = π − α, ψ(α) = cos β + ψ(β) turns it into
    (1 + s)²/2(1 + s²) − (1 − c) sin² ½β − ½cψ(β).
    """
    if slope == -1:  # lines, not directions: exact, and with a derivative at π
        alpha = torch.where(alpha > pi / 2, pi - alpha, alpha)
    near = torch.where(alpha > pi / 2, pi / 4, alpha)
    half = torch.sinc(near / (2 * pi)) / 2
    low = near * (half**2 - factor / 2 * _psi_over_square(near)).sqrt()
    beta = torch.where(alpha > pi / 2, pi - alpha, pi / 2)
    high = (
        (1 + slope) ** 2 / (2 * (1 + slope**2))
        - (1 - factor) * (beta / 2).sin() ** 2
        - factor / 2 * beta**2 * _psi_over_square(beta)
    )
    far = torch.where(alpha > pi / 2, high, 1.0).sqrt()
    sine = torch.where(alpha > pi / 2, far, low)
    cosine = (alpha / 2).cos() ** 2 + factor / 2 * alpha**2 * _psi_over_square(alpha)
    return 2 * torch.atan2(sine, cosine.sqrt())


class _PsiOfCosine(BothModes):
    """Composition ψ(arccos t), whose derivative −arccos(t)/π is finite also at t = ±1."""

    @staticmethod
    def forward(cosine: Tensor) -> Tensor:
        return psi(cosine.acos())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        result: Tensor = -upstream * ctx.saved_tensors[0].acos() / pi
        return result

    @staticmethod
    def tangents(ctx: Any, saved: tuple[Tensor], along: Tensor) -> Tensor:
        return -along * saved[0].acos() / pi

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], cosine: Tensor) -> tuple[Tensor, int]:
        return applied(_PsiOfCosine, cosine), in_dims[0]


def cosine_after(
    cosine: Array | float, layers: int = 1, slope: float = 0.0
) -> Float64[Tensor, "*shape"]:
    """Cosine after random layers: cos α + (1 − s)²/(1 + s²) ψ(α), layer by layer.

    For angles below 1e-8 the cosine itself is 1 to rounding: `angle_after` has them.

    Args:
        cosine: cosines between inputs; rounding past ±1 (1e-6 at most) is cut off.
        layers: number of layers.
        slope: s, the activation's slope below zero.

    Raises:
        WorkbenchError: a cosine is NaN or outside [−1, 1], or as `angle_after`.
    """
    factor = bend(slope)
    value = float64(cosine, "cosines")
    if layers < 0 or bool((value.abs() > 1 + 1e-6).any()):
        raise WorkbenchError(
            "cosines in [−1, 1], and a number of layers",
            f"{float(value.min()):.6g} … {float(value.max()):.6g}, and {layers} layers",
            "divide inner products by both norms",
        )
    for _ in range(layers):
        value = value.clamp(-1, 1)
        value = value + factor * applied(_PsiOfCosine, value)
    return value


def distance_after(
    alpha: Array | float,
    norm_u: Array | float = 1.0,
    norm_v: Array | float = 1.0,
    layers: int = 1,
    slope: float = 0.0,
) -> Float64[Tensor, "*shape"]:
    """Distance ‖f(u) − f(v)‖ after random layers, weights N(0, 1/outputs).

    One ReLU layer: the root of ½‖u − v‖² − ‖u‖‖v‖ψ(α). Each layer divides squared norms by
    2/(1 + s²); weights N(0, 2/((1 + s²) outputs)) would keep them.

    Args:
        alpha: angles between u and v, in radians.
        norm_u: ‖u‖, of a shape that broadcasts with alpha.
        norm_v: ‖v‖.
        layers: number of layers.
        slope: s, the activation's slope below zero.

    Raises:
        WorkbenchError: a norm is negative or NaN, or as `angle_after`.
    """
    a, b = float64(norm_u, "norms"), float64(norm_v, "norms")
    if bool((a < 0).any()) or bool((b < 0).any()):
        raise WorkbenchError("norms of vectors", "a negative number", "pass ‖u‖ and ‖v‖")
    half_angle = angle_after(alpha, layers, slope) / 2
    scale = ((1 + slope**2) / 2) ** (layers / 2)
    distance: Tensor = scale * torch.hypot(a - b, 2 * (a * b).sqrt() * half_angle.sin())
    return distance


@dataclass(frozen=True)
class Spread:
    """Standard deviations over draws of one layer's weights, to first order in 1/units.

    Attributes:
        cosine: of cos α'.
        angle: of α', in radians.
        squared_distance: of ‖ρ(Au) − ρ(Av)‖², u and v of norm 1.
    """

    cosine: Float64[Tensor, "*shape"]
    angle: Float64[Tensor, "*shape"]
    squared_distance: Float64[Tensor, "*shape"]


def concentration(alpha: Array | float, units: int, slope: float = 0.0) -> Spread:
    """Spread of angles and distances around their limits in a layer of finitely many units.

    Units are independent, so the delta method gives it: with x = ρ(g·u), y = ρ(g·v), c = cos α',
    Var cos ≈ E(xy − ½c(x² + y²))²/(m (E x²)²), Var ‖·‖² = Var (x − y)²/m. Fourth moments in
    a plane are 8 times means over the circle, by Gauss–Legendre to rounding between the four angles
    at which x or y changes its sign. ReLU at α = 1: .70/√m, .72/√m.

    Args:
        alpha: angles between inputs, in radians.
        units: m, the outputs of the layer.
        slope: s, the activation's slope below zero.

    Raises:
        WorkbenchError: no units, or as `angle_after`.
    """
    if units < 1:
        raise WorkbenchError("a layer of at least one unit", f"{units} units", "pass its outputs")
    alpha = angles(alpha).detach()
    after = angle_after(alpha, 1, slope)
    nodes, weights = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(24))
    corner = torch.full_like(alpha, pi / 2)
    ends = torch.stack([-corner, alpha - corner, corner, alpha + corner, 3 * corner], -1)
    width, middle = (
        ends.diff(dim=-1)[..., None] / 2,
        (ends[..., :-1] + ends[..., 1:])[..., None] / 2,
    )
    theta = middle + width * nodes.to(alpha)
    measure = width * weights.to(alpha) / (2 * pi)
    angle = alpha[..., None, None]
    x, y = theta.cos(), (theta - angle).cos()
    gain = [torch.where(each < 0, slope, 1.0) for each in (x, y)]
    difference = torch.where(
        gain[0] == gain[1],
        -2 * gain[0] * (theta - angle / 2).sin() * (angle / 2).sin(),
        gain[0] * x - gain[1] * y,
    )
    squares = (gain[0] * x) ** 2 + (gain[1] * y) ** 2
    left = (after[..., None, None] / 2).sin() ** 2 * squares - difference**2 / 2
    variance = 8 * (measure * left**2).sum((-1, -2)) / ((1 + slope**2) / 2) ** 2
    fourth = 8 * (measure * difference**4).sum((-1, -2))
    second = 2 * (measure * difference**2).sum((-1, -2))
    cosine = (variance / units).sqrt()
    sine = after.sin()
    return Spread(
        cosine,
        torch.where(sine > 0, cosine / torch.where(sine > 0, sine, 1.0), 0.0),
        ((fourth - second**2).clamp(min=0) / units).sqrt(),
    )


@dataclass(frozen=True)
class PairMaps:
    """Norms and distances of two feature maps at each position, summed over channels.

    Attributes:
        xx: k_xx, squared norms of u at each position.
        yy: k_yy, those of v.
        squared_distance: ‖u − v‖² at each position: near zero it keeps the digits that k_xy loses.
    """

    xx: Float64[Tensor, "height width"]
    yy: Float64[Tensor, "height width"]
    squared_distance: Float64[Tensor, "height width"]

    @property
    def xy(self) -> Float64[Tensor, "height width"]:
        """Inner products k_xy at each position."""
        return (self.xx + self.yy - self.squared_distance) / 2

    @property
    def angles(self) -> Float64[Tensor, "height width"]:
        """Angle at each position, in radians; 0 where a map is zero there."""
        a, b = _root(self.xx), _root(self.yy)
        area = 4 * a * b
        there = area > 0
        safe = torch.where(there, area, 1.0)
        sine = ((self.squared_distance - (a - b) ** 2) / safe).clamp(min=0)
        cosine = (((a + b) ** 2 - self.squared_distance) / safe).clamp(min=0)
        return torch.where(there, 2 * torch.atan2(_root(sine), _root(cosine)), 0.0)

    @property
    def angle(self) -> Float64[Tensor, ""]:
        """Angle between both maps as whole vectors, in radians."""
        return self.summed().angles[0, 0]

    def summed(self) -> "PairMaps":
        """Both maps as one vector each: maps of one position."""
        whole = (each.sum().reshape(1, 1) for each in (self.xx, self.yy, self.squared_distance))
        return PairMaps(*whole)

    def patches(self, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> "PairMaps":
        """Sums over the patches that a convolution reads, one a position of its output.

        Raises:
            WorkbenchError: the kernel does not fit into the padded map.
        """
        shape = tuple(self.xx.shape)
        if any(k > n + 2 * p for k, n, p in zip(kernel, shape, padding, strict=True)):
            raise WorkbenchError(
                f"a map that a kernel of {kernel[0]}×{kernel[1]} fits into",
                f"{shape[0]}×{shape[1]} with padding {padding}",
                "pad the map, or take a smaller kernel or fewer layers",
            )
        maps = torch.stack([self.xx, self.yy, self.squared_distance])[:, None]
        sums = conv2d(maps, maps.new_ones(1, 1, *kernel), stride=stride, padding=padding)
        return PairMaps(*sums[:, 0].unbind())

    def after_activation(self, slope: float = 0.0) -> "PairMaps":
        """Maps after weights N(0, 1/outputs) and the activation, position by position."""
        gain = (1 + slope**2) / 2
        norms = _root(self.xx), _root(self.yy)
        distance = (norms[0] - norms[1]) ** 2 + 4 * norms[0] * norms[1] * (
            (angle_after(self.angles, 1, slope) / 2).sin() ** 2
        )
        return PairMaps(gain * self.xx, gain * self.yy, gain * distance)


def _root(x: Tensor) -> Tensor:
    """Square root, with derivative 0 at 0."""
    return torch.where(x > 0, torch.where(x > 0, x, 1.0).sqrt(), 0.0)


def pair_maps(u: Array, v: Array) -> PairMaps:
    """Norms and distances of two maps or two vectors.

    Args:
        u: (channels, height, width), or (features,), which is a map of one position.
        v: of the same shape.

    Raises:
        WorkbenchError: shapes that differ, NaN, or a map that is zero.
    """
    if tuple(u.shape) != tuple(v.shape) or u.ndim not in (1, 3):
        raise WorkbenchError(
            "two maps (channels, height, width) of one shape, or two vectors",
            f"{tuple(u.shape)} and {tuple(v.shape)}",
            "pass one image each, without a batch",
        )
    first, second = (float64(each, "maps") for each in (u, v))
    if not bool(first.any()) or not bool(second.any()):
        raise WorkbenchError("maps that have a direction", "one that is zero", "leave it out")
    if first.ndim == 1:
        first, second = first[:, None, None], second[:, None, None]
    return PairMaps(*((each**2).sum(0) for each in (first, second, first - second)))


def after_convolutions(
    u: Array,
    v: Array,
    kernels: Sequence[int | Pair],
    strides: int | Sequence[int | Pair] = 1,
    paddings: int | Sequence[int | Pair] = 0,
    slope: float = 0.0,
) -> tuple[PairMaps, ...]:
    """Angles after random convolutions with activations, exact in the limit of many channels.

    Patch by patch: k_xy ← F(Σ k_xy, Σ k_xx, Σ k_yy) over a patch, F the map of one layer; positions
    need no knowledge of each other, so a layer costs O(height · width) whatever its width. Angles
    contract less where images agree at some positions (Nachum, Hązła, Gastpar and Khina, arXiv
    2111.02155). Pooling, which mixes positions, has no such form.

    Args:
        u: (channels, height, width), the first input.
        v: the second, of the same shape.
        kernels: size of each layer's kernel, one number or (rows, columns); one a layer.
        strides: one for all layers, or one a layer.
        paddings: zeros around the map, one for all layers, or one a layer.
        slope: s, the activation's slope below zero.

    Returns:
        Maps after each layer's activation, weights N(0, 1/channels out); `[-1].angle` is the angle
        between the last maps.

    Raises:
        WorkbenchError: lists of different lengths, a kernel that does not fit, or as `pair_maps`.
    """
    layers = len(kernels)
    plans = [[each] * layers if isinstance(each, int) else each for each in (strides, paddings)]
    if layers == 0 or any(len(plan) != layers for plan in plans):
        raise WorkbenchError(
            "a kernel, a stride and a padding for each layer",
            f"{layers}, {len(plans[0])} and {len(plans[1])} of them",
            "pass one number for all layers, or lists of one length",
        )
    maps, found = pair_maps(u, v), []
    for kernel, stride, padding in zip(kernels, *plans, strict=True):
        read = maps.patches(*(_pair(each) for each in (kernel, stride, padding)))
        maps = read.after_activation(slope)
        found.append(maps)
    return tuple(found)


def _pair(size: int | Pair) -> Pair:
    return (size, size) if isinstance(size, int) else size
