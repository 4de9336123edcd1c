"""The shipped suite catches wrong layers: of each property one that lacks it, and one that has it.

The layers are as a project of its own would write them; nothing else of the tests is used.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.testing import CHECKS, Case, Symmetry, conformance


def gram(x: Tensor) -> Tensor:
    """XᵀX for finite X."""
    if not bool(x.isfinite().all()):
        raise ValueError("expected finite entries, found NaN or Inf")
    return x.mT @ x


class WrongDerivative(torch.autograd.Function):
    """x², whose gradient has half of the factor, and is a constant the second time."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(context, upstream):
        (x,) = context.saved_tensors
        return x * upstream


class WrongTangent(WrongDerivative):
    """x², whose tangent has half of the factor."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(context, inputs, output):
        context.save_for_backward(*inputs)
        context.save_for_forward(*inputs)

    @staticmethod
    def backward(context, upstream):
        return 2 * context.saved_tensors[0] * upstream

    @staticmethod
    def jvp(context, along):
        return context.saved_tensors[0] * along


class InPlace(torch.autograd.Function):
    """x², whose gradient is written into a tensor of one upstream gradient's shape."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(context, upstream):
        (x,) = context.saved_tensors
        return torch.empty_like(x).copy_(2 * x * upstream)


def detached_slope(x: Tensor) -> Tensor:
    """x³/3 whose gradient is right, and knows nothing of x."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return x**3 / 3

        @staticmethod
        def backward(context, upstream):
            return context.saved_tensors[0].detach().square() * upstream

    return Cube.apply(x)


def by_layout(x: Tensor) -> Tensor:
    return gram(x) * (1 if x.is_contiguous() else 2)


def root(x: Tensor) -> Tensor:
    """Through eigh, whose gradient is NaN at ties."""
    values, vectors = torch.linalg.eigh(gram(x))
    return (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mT


def rounded(x: Tensor) -> Tensor:
    """Only eight bits of float32 are used."""
    return gram(x.bfloat16()).to(x) if x.dtype == torch.float32 else gram(x)


def with_sum_of_batch(x: Tensor) -> Tensor:
    return gram(x) + x.sum()


def by_value(x: Tensor) -> Tensor:
    """A decision on data, which vmap cannot trace."""
    return gram(x) if bool((x.sum() > -1e9).all()) else x.mT


def on_cpu(x: Tensor) -> Tensor:
    return gram(x) + torch.eye(x.shape[-1], dtype=x.dtype)


DOUBLING = Symmetry("doubling", lambda xs, _: (2 * xs[0],), lambda ys, _: (2 * ys[0],))
RIGHT = Case(
    "gram",
    gram,
    lambda draw: (draw.rectangular(),),
    oracle=lambda x: torch.einsum("...ki,...kj->...ij", x, x),
    sizes=((4, 3), (0, 3)),
    spectra=("all tied",),
    symmetries=(Symmetry("sign", lambda xs, _: (-xs[0],), lambda ys, _: ys),),
    vmap=False,
    refuses=ValueError,
)
EASY = RIGHT.but(function=lambda x: x.mT @ x, vmap=True, refuses=None)
"""Without a decision on data."""


class Running(nn.Module):
    """x minus its running mean in evaluation, minus the mean of the batch in training.

    `fault` says what is wrong with it.
    """

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.register_buffer("mean", torch.zeros(3), persistent=fault != "not saved")
        self.weight = nn.Parameter(torch.rand(3))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3)."""
        mean = x.mean(0)
        if self.training and self.fault != "never fitted":
            if self.fault == "gradient":
                self.mean = torch.lerp(self.mean, mean, 0.1)
            else:
                self.mean.lerp_(mean.detach(), 0.1)
        elif self.fault == "fits in evaluation":
            self.mean.lerp_(mean.detach(), 0.1)
        if self.fault == "random":
            x = nn.functional.dropout(x)
        if self.fault == "constant mean" and self.training:
            x = WrongDerivative.apply(x)
        centre = mean if self.training or self.fault == "batch" else self.mean
        return (x - centre) * self.weight


def running(fault: str = "") -> Case:
    return Case.of_layer(
        f"running mean {fault}",
        partial(Running, fault),
        lambda draw: (draw.positive(*draw.sizes),),
        sizes=((3,),),
        refuses=None,
    )


FAULTS: dict[str, tuple[Case, list[Case]]] = {
    "first derivative": (RIGHT, [RIGHT.but(function=WrongDerivative.apply)]),
    "second derivative": (RIGHT, [RIGHT.but(function=detached_slope)]),
    "oracle": (
        RIGHT,
        [RIGHT.but(function=lambda x: gram(x) * (1 + 1e-9)), RIGHT.but(function=lambda x: x)],
    ),
    "batch": (RIGHT, [RIGHT.but(function=with_sum_of_batch)]),
    "layout": (RIGHT, [RIGHT.but(function=by_layout)]),
    "edges": (RIGHT, [RIGHT.but(function=lambda x: gram(x) / x.numel())]),
    "degenerate": (
        RIGHT,
        [RIGHT.but(function=root), RIGHT.but(function=lambda x: gram(x).double())],
    ),
    "float32": (
        RIGHT,
        [
            RIGHT.but(function=lambda x: gram(x).double()),
            RIGHT.but(function=rounded),
        ],
    ),
    "nan": (
        RIGHT,
        [RIGHT.but(function=lambda x: x.mT @ x), RIGHT.but(refuses=WorkbenchError)],
    ),
    "symmetry": (RIGHT, [RIGHT.but(symmetries=(DOUBLING,))]),
    "vmap": (EASY, [EASY.but(function=by_value)]),
    "forward mode": (
        RIGHT,
        [RIGHT.but(function=WrongDerivative.apply), RIGHT.but(function=WrongTangent.apply)],
    ),
    "batched gradients": (RIGHT, [RIGHT.but(function=InPlace.apply)]),
    "compile": (EASY, [EASY.but(function=lambda x: gram(x) * (1 + torch.compiler.is_compiling()))]),
    "cuda": (RIGHT, [RIGHT.but(function=on_cpu)]),
    "evaluation": (running(), [running("fits in evaluation"), running("random")]),
    "alone": (running(), [running("batch")]),
    "fit": (running(), [running("never fitted")]),
    "saved": (running(), [running("not saved")]),
    "buffers": (running(), [running("gradient")]),
    "training": (running(), [running("constant mean")]),
}
"""For each property, a case that has it and cases that lack it."""

CAUGHT = (AssertionError, RuntimeError, ValueError, TypeError)
"""Errors of checks and torch: GradcheckError, vmap's and the device's errors are RuntimeErrors."""


def test_each_property_has_a_fault() -> None:
    assert set(FAULTS) == set(CHECKS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
            ]
            if name == "cuda"
            else [],
        )
        for name in FAULTS
    ],
)
def test_a_layer_without_the_property_is_caught(name: str) -> None:
    check, fits = CHECKS[name]
    right, wrongs = FAULTS[name]
    assert fits(right)
    check(right)
    for wrong in wrongs:
        assert fits(wrong)
        with pytest.raises(CAUGHT):
            check(wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conformance([RIGHT, RIGHT]), "a name for each case"),
        (lambda: conformance([RIGHT], without=["speed"]), "speed"),
    ],
)
def test_mistakes_are_named(call: Callable[[], object], words: str) -> None:
    with pytest.raises(WorkbenchError, match=words):
        call()


OUTSIDE = """
import torch
from workbench.testing import Case, conformance

test_layers = conformance(
    [
        Case.of_layer(
            "batch norm",
            lambda: torch.nn.BatchNorm1d(3),
            lambda draw: (draw.positive(5, *draw.sizes),),
            sizes=((3,),),
            batched=False,
            refuses=None,
        ),
        Case("wrong", lambda x: x.detach() * x, lambda draw: (draw.symmetric(),), refuses=None),
    ],
    without=["compile"],
)
"""


def test_a_project_outside_joins_in_one_file(tmp_path: Path) -> None:
    """Where nothing of this repository's tests or settings is known, and warnings are errors."""
    (tmp_path / "test_mine.py").write_text(OUTSIDE)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error::pytest.PytestWarning"]
    command += ["-p", "no:cacheprovider", "-rf", "--strict-markers", "test_mine.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    failed = set(re.findall(r"^FAILED .*\[(.*)\]", done.stdout, re.M))
    assert failed == {"wrong-first derivative", "wrong-second derivative"}, done.stdout
