"""`python -m tests.peers.torch_samples REPORT`: PyTorch's own samples (OpInfo) of factorisations.

Each sample of `torch.testing._internal` is an input of svd, eigh, matrix_exp, cholesky or pinv: all
batch shapes, empty ones too. The value is compared with torch's in float64, and asked: strides in
memory, gradcheck and gradgradcheck with batched gradients, forward mode, and Hessians.
Writes how many held in each suite, and what did not.
"""

import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close
from torch.testing._internal.common_methods_invocations import op_db

from workbench import linalg

Outputs = tuple[Tensor, ...]
LARGE = 12
"""Entries of an input from which derivatives are checked in one random direction alone."""


def as_given(a: Tensor) -> Tensor:
    return a


def symmetric(a: Tensor) -> Tensor:
    return (a + a.mT) / 2


def positive(a: Tensor) -> Tensor:
    return a @ a.mT + torch.eye(a.shape[-1], dtype=a.dtype)


def free_of_signs(u: Tensor, values: Tensor, v: Tensor) -> Outputs:
    """Values, and what the signs of the vectors leave alone, telling every one of them."""
    weights = torch.linspace(1, 2, values.shape[-1], dtype=values.dtype)
    return values, (u * weights) @ u.mT, (v * weights) @ v.mT, (u * weights) @ v.mT


def thin(a: Tensor) -> Outputs:
    u, sigma, vh = torch.linalg.svd(a, full_matrices=False)
    return free_of_signs(u, sigma, vh.mT)


def of_eigenvalues(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Outputs]:
    def reference(a: Tensor) -> Outputs:
        values, vectors = torch.linalg.eigh(a)
        return ((vectors * f(values)[..., None, :]) @ vectors.mT,)

    return reference


@dataclass(frozen=True)
class Trial:
    """Trial of a function of ours on the samples of one of PyTorch's operators.

    Attributes:
        operator: PyTorch's.
        ours: the function.
        reference: the same by torch, in float64.
        prepare: makes the sample an input that ours is for.
    """

    operator: str
    ours: Callable[[Tensor], Outputs]
    reference: Callable[[Tensor], Outputs]
    prepare: Callable[[Tensor], Tensor] = as_given


TRIALS = {
    "svd": Trial("linalg.svd", lambda a: free_of_signs(*linalg.svd(a)[:3]), thin),
    "svd's values": Trial(
        "linalg.svdvals", lambda a: (linalg.svd(a).sigma,), lambda a: (torch.linalg.svdvals(a),)
    ),
    "eig": Trial(
        "linalg.eigh",
        lambda a: free_of_signs(*(linalg.eig(a)[i] for i in (1, 0, 1))),
        lambda a: free_of_signs(*(torch.linalg.eigh(a)[i] for i in (1, 0, 1))),
        symmetric,
    ),
    "eig's values": Trial(
        "linalg.eigvalsh",
        lambda a: (linalg.eig(a).values,),
        lambda a: (torch.linalg.eigvalsh(a),),
        symmetric,
    ),
    "exp": Trial(
        "matrix_exp",
        lambda a: (linalg.exp(a).value,),
        lambda a: (torch.linalg.matrix_exp(a),),
        symmetric,
    ),
    "log": Trial(
        "linalg.cholesky", lambda a: (linalg.log(a).value,), of_eigenvalues(torch.log), positive
    ),
    "sqrt": Trial(
        "linalg.cholesky", lambda a: (linalg.sqrt(a).value,), of_eigenvalues(torch.sqrt), positive
    ),
    "power": Trial(
        "linalg.cholesky",
        lambda a: (linalg.power(a, -1.3).value,),
        of_eigenvalues(lambda t: t**-1.3),
        positive,
    ),
    "pseudo_inverse": Trial(
        "linalg.pinv",
        lambda a: (linalg.pseudo_inverse(a).value,),
        lambda a: (torch.linalg.pinv(a),),
    ),
    "projector": Trial(
        "linalg.pinv", lambda a: (linalg.projector(a).value,), lambda a: (a @ torch.linalg.pinv(a),)
    ),
    "gram_log": Trial(
        "linalg.svd",
        lambda a: (linalg.gram_log(a, 0.01).value,),
        lambda a: of_eigenvalues(torch.log)(
            a.mT @ a + 0.01 * torch.eye(a.shape[-1], dtype=a.dtype)
        ),
    ),
    "gram_power": Trial(
        "linalg.svd",
        lambda a: (linalg.gram_power(a, 0.4, 0.01).value,),
        lambda a: of_eigenvalues(lambda t: t**0.4)(
            a.mT @ a + 0.01 * torch.eye(a.shape[-1], dtype=a.dtype)
        ),
    ),
}


def samples(trial: Trial) -> Iterator[Tensor]:
    """Inputs in float64, one of each shape: others differ in options that ours does not have."""
    shapes = set()
    (operator,) = (op for op in op_db if (op.name, op.variant_test_name) == (trial.operator, ""))
    for sample in operator.sample_inputs("cpu", torch.float64, requires_grad=False):
        if sample.input.shape not in shapes:
            shapes.add(sample.input.shape)
            yield trial.prepare(sample.input.detach())


def value(trial: Trial, a: Tensor, dtype: torch.dtype, tolerance: float) -> None:
    rounded = a.to(dtype)
    for found, wanted in zip(trial.ours(rounded), trial.reference(rounded.double()), strict=True):
        assert found.dtype == dtype, f"{found.dtype}"
        assert_close(found.double(), wanted, rtol=tolerance, atol=tolerance)


def in_memory(trial: Trial, a: Tensor) -> None:
    """Every second column of a wider tensor, and columns before rows."""
    wide = torch.empty(*a.shape[:-1], 2 * a.shape[-1], dtype=a.dtype)[..., ::2].copy_(a)
    for other in (wide, a.mT.contiguous().mT):
        for found, wanted in zip(trial.ours(other), trial.ours(a), strict=True):
            assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def gradients(trial: Trial, a: Tensor) -> None:
    x, fast = a.clone().requires_grad_(), a.numel() > LARGE
    gradcheck(trial.ours, (x,), check_batched_grad=True, fast_mode=fast)


def second_gradients(trial: Trial, a: Tensor) -> None:
    x = a.clone().requires_grad_()
    gradgradcheck(trial.ours, (x,), check_batched_grad=True, fast_mode=True)


def tangents(trial: Trial, a: Tensor) -> None:
    x, fast = a.clone().requires_grad_(), a.numel() > LARGE
    gradcheck(
        trial.ours, (x,), check_forward_ad=True, check_backward_ad=False,
        check_batched_forward_grad=True, fast_mode=fast,
    )  # fmt: skip


def hessian(trial: Trial, a: Tensor) -> None:
    x = a.clone().requires_grad_()
    gradgradcheck(
        trial.ours,
        (x,),
        check_fwd_over_rev=True,
        check_rev_over_rev=False,
        check_undefined_grad=False,
        fast_mode=True,
    )


SUITES: dict[str, Callable[[Trial, Tensor], None]] = {
    "value in float64": lambda trial, a: value(trial, a, torch.float64, 1e-9),
    "value in float32": lambda trial, a: value(trial, a, torch.float32, 3e-4),
    "value in bfloat16": lambda trial, a: value(trial, a, torch.bfloat16, 3e-2),
    "layout in memory": in_memory,
    "gradcheck, batched too": gradients,
    "gradgradcheck, batched too": second_gradients,
    "forward mode, batched too": tangents,
    "forward over reverse": hessian,
}


def main() -> int:
    """Try every sample in every suite; the report is a file of JSON."""
    torch.manual_seed(0)
    random.seed(0)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found: dict[str, dict[str, dict[str, object]]] = {name: {} for name in SUITES}
    for name, trial in TRIALS.items():
        for index, a in enumerate(samples(trial)):
            for suite, check in SUITES.items():
                outcome, why = "passed", ""
                try:
                    check(trial, a)
                except Exception as error:  # noqa: BLE001 - the table of all is what is wanted
                    outcome, why = "failed", f"{type(error).__name__}: {error}"[:300]
                found[suite][f"{name}, sample {index}, {tuple(a.shape)}"] = {
                    "applied": True, "outcome": outcome, "why": why,
                }  # fmt: skip
    Path(sys.argv[1]).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
