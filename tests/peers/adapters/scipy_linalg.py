"""Factorisations, pseudo-inverses and matrix functions for scipy.linalg's.

Ours takes real floating matrices, symmetric ones for eigenvalues and functions; what scipy's tests
pass besides (complex, integers, generalised problems, options of LAPACK) is scipy's own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import torch

from tests.peers.counting import counted, stand_in
from workbench import linalg
from workbench.errors import WorkbenchError


def ours(name: str, function: Callable, *, symmetric: bool, options: tuple[str, ...] = ()) -> None:
    """Put a function of a tensor in the place of scipy's of that name, where it applies."""
    theirs = getattr(scipy.linalg, name)
    counting = counted(function)

    def call(a: Any, *args: Any, **given: Any) -> Any:
        x = np.asarray(a)
        fits = x.dtype in (np.float32, np.float64) and x.ndim >= 2 and np.isfinite(x).all()
        if symmetric and fits:
            fits = x.shape[-1] == x.shape[-2] and np.array_equal(x, np.swapaxes(x, -1, -2))
        if not fits or args or set(given) - set(options) or given.get("full_matrices") is True:
            return theirs(a, *args, **given)
        try:
            return counting(torch.from_numpy(np.array(x)), **given)
        except WorkbenchError as refusal:
            if "semidefinite" in str(refusal):  # scipy's logarithm and root are complex there
                return theirs(a, *args, **given)
            raise

    stand_in(theirs, call, "scipy.linalg.tests")


def svd(x: torch.Tensor, full_matrices: bool, **_: Any) -> tuple[np.ndarray, ...]:
    found = linalg.svd(x)
    return found.u.numpy(), found.sigma.numpy(), found.v.mT.numpy()


def eigh(x: torch.Tensor, **_: Any) -> tuple[np.ndarray, np.ndarray]:
    found = linalg.eig(x)
    return found.values.numpy(), found.vectors.numpy()


LAPACK = ("overwrite_a", "check_finite", "lapack_driver")
ours("svdvals", lambda x, **_: linalg.svd(x).sigma.numpy(), symmetric=False, options=LAPACK)
ours("eigh", eigh, symmetric=True, options=LAPACK)
ours("eigvalsh", lambda x, **_: linalg.eig(x).values.numpy(), symmetric=True, options=LAPACK)
ours("pinv", lambda x, **_: linalg.pseudo_inverse(x).value.numpy(), symmetric=False, options=LAPACK)
ours("pinvh", lambda x, **_: linalg.pseudo_inverse(x).value.numpy(), symmetric=True, options=LAPACK)
ours("expm", lambda x: linalg.exp(x).value.numpy(), symmetric=True)
ours("logm", lambda x: linalg.log(x).value.numpy(), symmetric=True)
ours("sqrtm", lambda x: linalg.sqrt(x).value.numpy(), symmetric=True)


def thin_svd(a: Any, *args: Any, **given: Any) -> Any:
    """Only the thin factorisation is ours."""
    x = np.asarray(a)
    real = x.dtype in (np.float32, np.float64) and x.ndim >= 2 and np.isfinite(x).all()
    if (
        not real
        or args
        or given.get("full_matrices") is not False
        or not given.get("compute_uv", 1)
    ):
        return THEIRS(a, *args, **given)
    return counted_svd(torch.from_numpy(np.array(x)), full_matrices=False)


THEIRS, counted_svd = scipy.linalg.svd, counted(svd)
stand_in(THEIRS, thin_svd, "scipy.linalg.tests")
