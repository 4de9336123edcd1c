"""Gradient error of the logarithm against gap and smallest eigenvalue, for any method."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from workbench.bench.layers.exact import log_gradient, relative_error
from workbench.bench.layers.logarithms import Method
from workbench.bench.records import Curves

SMALLEST = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Smallest eigenvalues of a curve in float32, the largest being 1."""


def with_gap(gap: float) -> Tensor:
    """Eigenvalues with condition number 128, one pair of them at a relative gap."""
    values = torch.logspace(0, 7, 16, base=2, dtype=torch.float64)
    values[8] = values[7] * (1 + gap)
    return values


def down_to(smallest: float) -> Tensor:
    """Eigenvalues from the smallest to 1, evenly spaced on a logarithmic scale."""
    return torch.logspace(math.log10(smallest), 0, 16, dtype=torch.float64)


def curves_of(
    dtype: torch.dtype,
    methods: dict[str, Method],
    axis: str,
    at: tuple[float, ...],
    spectrum: Callable[[float], Tensor],
    device: torch.device,
) -> Curves:
    """Gradient error of log on 16×16 matrices of that spectrum, against 60 digits."""
    errors: dict[str, list[float]] = {name: [] for name in methods}
    for point in at:
        generator = torch.Generator().manual_seed(3)
        q, _ = torch.linalg.qr(torch.randn(16, 16, generator=generator).double())
        a = (q * spectrum(point)) @ q.T
        a = ((a + a.T) / 2).to(dtype)
        upstream = torch.randn(16, 16, generator=generator).to(dtype)
        upstream = (upstream + upstream.T) / 2
        expected = log_gradient(a, upstream.double())
        for name, method in methods.items():
            error = error_of(gradient_task(method, a.to(device), upstream.to(device)), expected)
            errors[name].append(float("nan") if error is None else error)
    title = f"log, d = 16, float{torch.finfo(dtype).bits}"
    return Curves(title, axis, at, {name: tuple(found) for name, found in errors.items()})


def gradient_task(function: Method, x: Tensor, upstream: Tensor) -> Callable[[], Tensor]:
    """Task that computes value and gradient of a function of x, and returns the gradient."""

    def task() -> Tensor:
        leaf = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad((function(leaf) * upstream).sum(), leaf)
        return gradient

    return task


def error_of(task: Callable[[], Tensor], expected: Tensor) -> float | None:
    """Relative error of a task's gradient; None where it fails, as LAPACK may."""
    try:
        return relative_error(task(), expected)
    except RuntimeError:
        return None
