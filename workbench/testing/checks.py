"""The questions that every layer is asked. A check raises an AssertionError, or torch's own error.

`GradcheckError` where a derivative is wrong. Loops over sizes, spectra and precisions are inside
the checks; a note of the error says where in the loop it was.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from workbench.testing.case import (
    Case,
    Tensors,
    as_tuple,
    derivatives,
    inner,
    leaves,
    noise,
    relative_error,
)
from workbench.testing.draw import Draw

ORACLE_TOLERANCE = 1e-11
"""Relative, of values and gradients in float64 against an oracle's."""


def first_derivative(case: Case) -> None:
    """The gradient is that of finite differences."""
    for draw in _draws(case):
        with noting(draw):
            inputs = case.inputs(draw)
            torch.autograd.gradcheck(case.function, leaves(inputs))


def second_derivative(case: Case) -> None:
    """The gradient of the gradient is that of finite differences."""
    for draw in _draws(case):
        with noting(draw):
            inputs = case.inputs(draw)
            torch.autograd.gradgradcheck(case.function, leaves(inputs))


def oracle(case: Case) -> None:
    """Value and gradient are the oracle's."""
    assert case.oracle is not None
    for draw in _draws(case, (2,) if case.batched else ()):
        with noting(draw):
            inputs = case.inputs(draw)
            ours = sum(derivatives(case.function, inputs), ())
            theirs = sum(derivatives(case.oracle, inputs), ())
            for found, wanted in zip(ours, theirs, strict=True):
                expect(found.shape == wanted.shape, f"{found.shape}, not {wanted.shape}")
                error = relative_error(found, wanted)
                expect(error < ORACLE_TOLERANCE, f"{error:.1e} away from the oracle")


def batch_is_a_loop(case: Case) -> None:
    """Each example of a batch gives what it gives alone."""
    for draw in _draws(case, (2, 3)):
        with noting(draw):
            inputs = case.inputs(draw)
            together = case.outputs(*inputs)
            for at in ((i, j) for i in range(2) for j in range(3)):
                alone = case.outputs(*(x[at] for x in inputs))
                for whole, part in zip(together, alone, strict=True):
                    torch.testing.assert_close(whole[at], part, rtol=1e-12, atol=1e-13)


def layout_in_memory(case: Case) -> None:
    """Strides change neither value nor gradient."""
    for draw in _draws(case):
        with noting(draw):
            inputs = case.inputs(draw)
            strided = tuple(
                x.mT.contiguous().mT if x.ndim > 1 else x.repeat(2)[: len(x)] for x in inputs
            )
            _close(case.function, inputs, case.function, strided, rtol=1e-11)


def empty_and_one_by_one(case: Case) -> None:
    """Value and gradient are finite, and of the right shape, at sizes 0 and 1 and no batch."""
    edges = [Draw(sizes=size) for size in case.sizes if size not in case.proper_sizes]
    if case.batched:
        edges.append(Draw(batch=(0,), sizes=case.proper_sizes[0]))
    for draw in edges:
        with noting(draw):
            inputs = case.inputs(draw)
            outputs, gradients = derivatives(case.function, inputs)
            _finite(outputs + gradients)
            for x, gradient in zip(inputs, gradients, strict=True):
                expect(gradient.shape == x.shape, f"gradient {gradient.shape} of {x.shape}")


def degenerate_spectra(case: Case) -> None:
    """Value and gradient are finite where eigenvalues meet or vanish, in either precision."""
    for spectrum in case.spectra:
        for draw in _draws(case, spectrum=spectrum):
            with noting(draw):
                inputs = case.inputs(draw)
                for dtype in (torch.float64, torch.float32)[: 1 + case.single]:
                    with noting(dtype), warnings.catch_warnings():
                        for kind in case.warns:
                            warnings.simplefilter("ignore", kind)
                        found = derivatives(case.function, tuple(x.to(dtype) for x in inputs))
                        _finite(sum(found, ()))
                        _precise(sum(found, ()), dtype)


def float32(case: Case) -> None:
    """float32 in, float32 out, as near to float64 as its rounding."""
    for draw in _draws(case):
        with noting(draw):
            inputs = case.inputs(draw)
            rounded = tuple(x.float() for x in inputs)
            single = sum(derivatives(case.function, rounded), ())
            double = sum(derivatives(case.function, tuple(x.double() for x in rounded)), ())
            _precise(single, torch.float32)
            for found, wanted in zip(single, double, strict=True):
                error = relative_error(found, wanted)
                expect(error < case.single_tolerance, f"{error:.1e} away from float64")


def nan_and_inf(case: Case) -> None:
    """NaN and Inf in any input raise an error that names them."""
    assert case.refuses is not None
    inputs = case.inputs(Draw(sizes=case.proper_sizes[0]))
    for poison in (torch.nan, torch.inf, -torch.inf):
        for k in range(len(inputs)):
            poisoned = [x.clone() for x in inputs]
            poisoned[k].view(-1)[0] = poison
            with noting(f"{poison} in input {k}"):
                try:
                    case.function(*poisoned)
                except case.refuses as error:
                    named = re.search(r"\b(nan|inf)\b|finite", str(error), re.IGNORECASE)
                    expect(named is not None, f"the error names neither NaN nor Inf: {error}")
                else:
                    raise AssertionError(f"no {case.refuses.__name__} was raised")


def symmetry(case: Case) -> None:
    """Each symmetry that is declared holds."""
    for each in case.symmetries:
        for draw in _draws(case):
            with noting(draw):
                inputs = case.inputs(draw)
                with noting(each.name):
                    found = case.outputs(*each.before(inputs, torch.Generator().manual_seed(7)))
                    wanted = each.after(case.outputs(*inputs), torch.Generator().manual_seed(7))
                    for one, other in zip(found, wanted, strict=True):
                        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def vmap(case: Case) -> None:
    """`torch.vmap` gives the values, and with `torch.func.grad` the gradients, of a batch."""
    inputs = case.inputs(Draw(batch=(3,), sizes=case.proper_sizes[0]))
    mapped = as_tuple(torch.vmap(case.function)(*inputs))
    for one, other in zip(mapped, case.outputs(*inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)

    def total(*xs: Tensor) -> Tensor:
        return torch.stack([(y * y).sum() for y in case.outputs(*xs)]).sum()

    (ours,) = torch.func.vmap(torch.func.grad(total, argnums=(0,)))(*inputs)
    copies = leaves(inputs)
    (theirs,) = torch.autograd.grad(total(*copies), copies[:1])
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def forward_mode(case: Case) -> None:
    """Tangents agree with gradients, ⟨u, Jv⟩ = ⟨Jᵀu, v⟩; those of gradients (Hessians) do too."""
    for draw in _draws(case):
        with noting(draw):
            inputs = case.inputs(draw)
            outputs, gradients = derivatives(case.function, inputs)
            along, upstream = noise(inputs, 3), noise(outputs, 1)
            tangents = _tangents(case.outputs, inputs, along)
            _same_number(inner(upstream, tangents), inner(gradients, along))
            if not case.second_order:
                continue

            def gradient(*xs: Tensor, upstream: Tensors = upstream) -> Tensors:
                value = lambda *ys: inner(upstream, case.outputs(*ys))  # noqa: E731
                found: Tensors = torch.func.grad(value, argnums=tuple(range(len(xs))))(*xs)
                return found

            curved, other = _tangents(gradient, inputs, along), noise(inputs, 4)
            turned = torch.func.vjp(gradient, *inputs)[1]
            _same_number(inner(curved, other), inner(turned(other), along))


def batched_gradients(case: Case) -> None:
    """Several upstream gradients at a time give what each gives alone: `is_grads_batched`."""
    inputs = leaves(case.inputs(Draw(sizes=case.proper_sizes[0])))
    outputs = case.outputs(*inputs)
    upstreams = [noise(outputs, seed) for seed in range(3)]
    stacked = tuple(torch.stack(each) for each in zip(*upstreams, strict=True))
    together = torch.autograd.grad(
        outputs, inputs, stacked, is_grads_batched=True, retain_graph=True
    )
    for index, upstream in enumerate(upstreams):
        alone = torch.autograd.grad(outputs, inputs, upstream, retain_graph=True)
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[index], part, rtol=1e-10, atol=1e-12)


def compiled(case: Case) -> None:
    """`torch.compile` changes neither value nor gradient."""
    torch.compiler.reset()
    inputs = case.inputs(Draw(sizes=case.proper_sizes[0]))
    function = torch.compile(case.function, backend="aot_eager", fullgraph=case.one_graph)
    _close(function, inputs, case.function, inputs, rtol=1e-12)


def cuda(case: Case) -> None:
    """A CUDA device gives the values and gradients of the CPU, on itself."""
    inputs = case.inputs(Draw(batch=(2,) if case.batched else (), sizes=case.proper_sizes[0]))
    here = sum(derivatives(case.function, inputs), ())
    there = sum(derivatives(case.function, tuple(x.cuda() for x in inputs)), ())
    for one, other in zip(here, there, strict=True):
        expect(other.is_cuda, f"a result is on {other.device}")
        torch.testing.assert_close(other.cpu(), one, rtol=1e-9, atol=1e-11)


def expect(holds: bool, message: str) -> None:
    """An assertion that says what was found; pytest rewrites none outside test files."""
    if not holds:
        raise AssertionError(message)


@contextmanager
def noting(where: object) -> Iterator[None]:
    """Errors from inside say where in a loop they arose."""
    try:
        yield
    except Exception as error:
        error.add_note(f"at {where}")
        raise


def _draws(case: Case, batch: tuple[int, ...] = (), spectrum: str = "generic") -> list[Draw]:
    """Draws of inputs, one for every proper size."""
    return [Draw(batch, size, spectrum) for size in case.proper_sizes]


def _close(
    one: Callable, inputs: Tensors, other: Callable, others: Tensors, *, rtol: float
) -> None:
    """Values and gradients of two functions agree."""
    for found, wanted in zip(
        sum(derivatives(one, inputs), ()), sum(derivatives(other, others), ()), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=rtol, atol=1e-13)


def _finite(tensors: Tensors) -> None:
    expect(all(bool(y.isfinite().all()) for y in tensors), "a value or a gradient is not finite")


def _tangents(function: Callable[..., Tensors], inputs: Tensors, along: Tensors) -> Tensors:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, of torch.jit
        tangents: Tensors = torch.func.jvp(function, inputs, along)[1]
    return tangents


def _same_number(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def _precise(tensors: Tensors, dtype: torch.dtype) -> None:
    found = {y.dtype for y in tensors}
    expect(found == {dtype}, f"inputs of {dtype} give values or gradients of {found}")
