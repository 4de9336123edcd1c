"""Every layer, the same questions. The layers are in `cases_*.py`; `case.py` says how to join."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conformance.case import Case, Draw, Symmetry, as_tuple, derivatives, relative_error
from tests.conformance.registry import all_cases
from workbench.errors import WorkbenchError

ROOT = Path(__file__).parents[2]
CASES = list(all_cases())
BATCHED = [case for case in CASES if case.batched]
SIZED = [
    pytest.param(case, Draw(sizes=size), id=f"{case.name}-{'x'.join(map(str, size))}")
    for case in CASES
    for size in case.proper_sizes
]


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


def leaves(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.detach().clone().requires_grad_() for x in tensors)


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("case", "draw"), SIZED)
def test_first_derivative(case: Case, draw: Draw) -> None:
    assert torch.autograd.gradcheck(case.function, leaves(case.inputs(draw)))


@pytest.mark.parametrize(("case", "draw"), [p for p in SIZED if p.values[0].second_order])
def test_second_derivative(case: Case, draw: Draw) -> None:
    assert torch.autograd.gradgradcheck(case.function, leaves(case.inputs(draw)))


@pytest.mark.parametrize(("case", "draw"), [p for p in SIZED if p.values[0].oracle])
def test_oracle(case: Case, draw: Draw) -> None:
    inputs = case.inputs(draw.but(batch=(2,) if case.batched else ()))
    ours, our_gradients = derivatives(case.function, inputs)
    theirs, their_gradients = derivatives(case.oracle, inputs)
    for found, expected in zip(ours + our_gradients, theirs + their_gradients, strict=True):
        assert found.shape == expected.shape
        assert relative_error(found, expected) < 1e-11


@named(BATCHED)
def test_batch_is_a_loop(case: Case) -> None:
    for size in case.proper_sizes:
        inputs = case.inputs(Draw(batch=(2, 3), sizes=size))
        together = case.outputs(*inputs)
        for i in range(2):
            for j in range(3):
                alone = case.outputs(*(x[i, j] for x in inputs))
                for whole, part in zip(together, alone, strict=True):
                    torch.testing.assert_close(whole[i, j], part, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("case", "draw"), SIZED)
def test_layout_in_memory_does_not_matter(case: Case, draw: Draw) -> None:
    inputs = case.inputs(draw)
    strided = tuple(x.mT.contiguous().mT if x.ndim > 1 else x.repeat(2)[: len(x)] for x in inputs)
    for one, other in zip(
        sum(derivatives(case.function, inputs), ()),
        sum(derivatives(case.function, strided), ()),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@named(CASES)
def test_empty_and_one_by_one(case: Case) -> None:
    edges = [Draw(sizes=size) for size in case.sizes if size not in case.proper_sizes]
    if case.batched:
        edges.append(Draw(batch=(0,), sizes=case.proper_sizes[0]))
    for draw in edges:
        inputs = case.inputs(draw)
        outputs, gradients = derivatives(case.function, inputs)
        assert all(y.isfinite().all() for y in outputs)
        for x, gradient in zip(inputs, gradients, strict=True):
            assert gradient.shape == x.shape
            assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("case", "spectrum"),
    [pytest.param(c, s, id=f"{c.name}-{s}") for c in CASES for s in c.spectra],
)
def test_degenerate_spectra_are_finite(case: Case, spectrum: str, dtype: torch.dtype) -> None:
    if dtype == torch.float32 and not case.single:
        pytest.skip("takes float64 only")
    for size in case.proper_sizes:
        inputs = case.inputs(Draw(sizes=size, spectrum=spectrum))
        with warnings.catch_warnings():
            for kind in case.warns:
                warnings.simplefilter("ignore", kind)
            outputs, gradients = derivatives(case.function, tuple(x.to(dtype) for x in inputs))
        assert all(y.isfinite().all() and y.dtype == dtype for y in outputs + gradients)


@named([case for case in CASES if case.single])
def test_float32_against_float64(case: Case) -> None:
    for size in case.proper_sizes:
        rounded = tuple(x.float() for x in case.inputs(Draw(sizes=size)))
        single = sum(derivatives(case.function, rounded), ())
        double = sum(derivatives(case.function, tuple(x.double() for x in rounded)), ())
        for found, expected in zip(single, double, strict=True):
            assert found.dtype == torch.float32
            assert relative_error(found, expected) < case.single_tolerance


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@named([case for case in CASES if case.nan])
def test_nan_and_inf_are_named(case: Case, poison: float) -> None:
    inputs = case.inputs(Draw(sizes=case.proper_sizes[0]))
    for k in range(len(inputs)):
        poisoned = [x.clone() for x in inputs]
        poisoned[k].view(-1)[0] = poison
        with pytest.raises(WorkbenchError, match="NaN or Inf"):
            case.function(*poisoned)


@pytest.mark.parametrize(
    ("case", "symmetry"),
    [pytest.param(c, s, id=f"{c.name}-{s.name}") for c in CASES for s in c.symmetries],
)
def test_symmetry(case: Case, symmetry: Symmetry) -> None:
    for size in case.proper_sizes:
        inputs = case.inputs(Draw(sizes=size))
        found = case.outputs(*symmetry.before(inputs, torch.Generator().manual_seed(7)))
        expected = symmetry.after(case.outputs(*inputs), torch.Generator().manual_seed(7))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@named([case for case in BATCHED if case.vmap])
def test_vmap(case: Case) -> None:
    inputs = case.inputs(Draw(batch=(3,), sizes=case.proper_sizes[0]))
    for mapped, direct in zip(
        as_tuple(torch.vmap(case.function)(*inputs)), case.outputs(*inputs), strict=True
    ):
        torch.testing.assert_close(mapped, direct, rtol=1e-12, atol=1e-13)
    (ours,) = torch.func.vmap(
        torch.func.grad(lambda *xs: sum((y * y).sum() for y in case.outputs(*xs)), argnums=(0,))
    )(*inputs)
    copies = leaves(inputs)
    (theirs,) = torch.autograd.grad(sum((y * y).sum() for y in case.outputs(*copies)), copies[:1])
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_compile() -> None:
    command = [sys.executable, "-m", "tests.conformance.compiled"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@named(CASES)
def test_cuda(case: Case) -> None:
    inputs = case.inputs(Draw(batch=(2,) if case.batched else (), sizes=case.proper_sizes[0]))
    here = sum(derivatives(case.function, inputs), ())
    there = sum(derivatives(case.function, tuple(x.cuda() for x in inputs)), ())
    for one, other in zip(here, there, strict=True):
        assert other.is_cuda
        torch.testing.assert_close(other.cpu(), one, rtol=1e-9, atol=1e-11)
