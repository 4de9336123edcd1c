"""Points and angles, checked: float64 tensors that are finite and have a direction, or an error."""

from math import pi

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.points import as_cloud

Array = Tensor | np.ndarray


def float64(x: Array | float, what: str) -> Float64[Tensor, "*shape"]:
    """Numbers as a float64 tensor, on the device that they are on; its gradient is kept.

    Raises:
        WorkbenchError: they are complex, or an entry is NaN or Inf.
    """
    given = torch.as_tensor(x, dtype=torch.float64 if isinstance(x, float | int) else None)
    if given.is_complex():
        raise WorkbenchError(f"real {what}", f"{given.dtype}", "pass real and imaginary part")
    wide = given.double()
    if not bool(torch.isfinite(wide).all()):
        raise WorkbenchError(
            f"finite {what}",
            f"{int((~torch.isfinite(wide)).sum())} entries that are NaN or Inf",
            "look for the layer or the image that they come from, and leave those points out",
        )
    return wide


def cloud(x: Array, least: int = 1) -> Float64[Tensor, "points features"]:
    """Points as rows, float64.

    Args:
        x: (points, features).
        least: number of points that the question needs.

    Raises:
        WorkbenchError: not a matrix, fewer points, no features, or NaN.
    """
    as_cloud(x, least)
    return float64(x, "points")


def directions(x: Array, least: int = 1) -> Float64[Tensor, "points features"]:
    """Points divided by their norms: for theorems on the sphere, in which only angles count.

    Raises:
        WorkbenchError: as `cloud`, or a point is zero and has no direction.
    """
    points = cloud(x, least)
    largest = points.abs().amax(1, keepdim=True)  # so that no square leaves float64's range
    zero = int((largest == 0).sum())
    if zero:
        raise WorkbenchError(
            "points that have a direction",
            f"{zero} of {len(points)} points whose features are all zero",
            "leave them out: in a dead layer every feature is zero",
        )
    points = points / largest
    units: Tensor = points / points.norm(dim=1, keepdim=True)
    return units


def angles(alpha: Array | float) -> Float64[Tensor, "*shape"]:
    """Angles in radians, float64.

    Raises:
        WorkbenchError: an angle is NaN or outside [0, π]; float32's π, 9e-8 too large, counts as π.
    """
    wide = float64(alpha, "angles")
    if bool(((wide < 0) | (wide > pi + 1e-7)).any()):
        raise WorkbenchError(
            "angles in [0, π], in radians",
            f"{float(wide.min()):.6g} … {float(wide.max()):.6g}",
            "angles between vectors lie there; degrees want torch.deg2rad",
        )
    return wide.clamp(max=pi)
