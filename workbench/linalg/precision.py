"""Dtypes of input, of computation and of results, and the rounding error of the input.

Inputs are float16, bfloat16, float32 or float64; computation is in float64, and results have the
input's dtype. A half-precision number counts as the float32 number that it is: a tolerance
taken from its own rounding error, 8e-3 for bfloat16, would call every matrix of a hundred rows
singular. Under `torch.autocast` products of float64 stay float64; the few of float32 use `uncast`.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from workbench.errors import WorkbenchError

LARGEST_ROOT = 2.0**100
"""Bound of safe entries, between 1/LARGEST_ROOT and LARGEST_ROOT, 1.3e30: the products in adjoints
(fourth powers, and the e^185 of the tails of `stieltjes`) stay within float64's range."""

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_real(x: Tensor, what: str) -> None:
    """Refuse a tensor that is not real floating.

    Raises:
        WorkbenchError: x is complex, of integers, boolean or of eight bits.
    """
    if x.dtype not in REAL:
        raise WorkbenchError(
            f"a real {what}, float16, bfloat16, float32 or float64",
            f"{str(x.dtype).removeprefix('torch.')}",
            "of a complex Hermitian A + iB take the real [[A, −B], [B, A]], which has every "
            "eigenvalue twice"
            if x.is_complex()
            else "convert it with .double()",
        )


def is_narrow(dtype: torch.dtype) -> bool:
    """Whether a dtype is float16 or bfloat16, in which nothing is computed here."""
    return dtype.is_floating_point and dtype.itemsize < torch.float32.itemsize


def widened(x: Tensor) -> Tensor:
    """Tensor x in float64 if it is float16 or bfloat16; otherwise x itself."""
    return x.double() if is_narrow(x.dtype) else x


def rounding_unit(dtype: torch.dtype) -> float:
    """Relative rounding error of an input's entries: that of float32 for the halves."""
    return min(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)


def uncast(x: Tensor) -> AbstractContextManager[object]:
    """Context in which autocast does not change products of float32, on the device of x."""
    if x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def unit_of(x: Tensor) -> Tensor:
    """Unit of each matrix, `power_of_two` of its largest entry, (*batch); no gradient."""
    if 0 in x.shape[-2:]:
        return x.new_ones(x.shape[:-2])
    return power_of_two(x.detach().abs().amax((-2, -1)))


def power_of_two(largest: Tensor) -> Tensor:
    """Power of two near `largest` where that is not safe, see `LARGEST_ROOT`; 1 elsewhere.

    Dividing by it loses no digit, and 1 changes nothing. Zero, NaN and Inf give 1 too.
    """
    extreme = (largest < 1 / LARGEST_ROOT) | (largest > LARGEST_ROOT)
    extreme = extreme & (largest > 0) & torch.isfinite(largest)
    exponent = torch.where(extreme, largest, 1.0).log2().floor().clamp(-1000, 1000)
    return torch.exp2(exponent)
