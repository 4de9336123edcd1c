"""What a layer declares to join the conformance suite, and inputs with a spectrum of one's choice.

A new layer joins by a file `cases_<name>.py` beside this one with a list `CASES`:

    CASES = [
        Case(
            name="log",
            function=lambda a: log(a).value,          # tensors in; a tensor or several out
            inputs=lambda draw: (draw.symmetric(),),  # an example of the batch, sizes, spectrum
            oracle=dense_log,                         # by other means, differentiable by autograd
            sizes=((4,), (0,), (1,)),                 # what the draw's `sizes` may be
            spectra=TIES + SMALL,                     # degenerate inputs on which it is defined
            symmetries=(conjugation(),),
        )
    ]

The function must be free of gauge: not eigenvectors, but what their signs leave alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

TIES = ("tie", "all tied", *(f"gap 1e-{k}" for k in (1, 3, 6, 8, 10, 12, 14)))
"""Two equal eigenvalues, all of them equal, or two at the relative distance named."""

SMALL = tuple(f"smallest 1e-{k}" for k in (4, 6, 8, 10, 12))
"""One eigenvalue that small beside the largest, which is 1."""

DEFICIENT = ("dead", "rank 0")
"""Half of the channels zero; all of them."""


def eigenvalues(spectrum: str, size: int) -> Tensor:
    """(size,) float64, descending from 1 to 1/16 but for what the name of the spectrum says."""
    values = torch.logspace(0, -4, size, base=2, dtype=torch.float64)
    word, _, amount = spectrum.partition(" ")
    if word == "tie" or word == "gap":
        values[1:2] = values[:1] * (1 - float(amount or 0))
    elif spectrum == "all tied":
        values[:] = 1
    elif word == "smallest":
        values[-1:] = float(amount)
    elif word == "dead":
        values[size // 2 :] = 0
    elif word == "rank":
        values[:] = 0
    elif word != "generic":
        raise ValueError(f"no spectrum {spectrum!r}")
    return values


def orthogonal(*shape: int, generator: torch.Generator) -> Tensor:
    """(*shape) float64 with orthonormal columns."""
    return torch.linalg.qr(torch.randn(*shape, dtype=torch.float64, generator=generator))[0]


@dataclass(frozen=True)
class Draw:
    """A request for one example, in float64.

    Attributes:
        batch: leading dimensions.
        sizes: those of the layer itself, one of `Case.sizes`.
        spectrum: "generic" or a name of TIES, SMALL, DEFICIENT.
        seed: the same request with the same seed is the same example.
    """

    batch: tuple[int, ...] = ()
    sizes: tuple[int, ...] = (4,)
    spectrum: str = "generic"
    seed: int = 0

    @property
    def generator(self) -> torch.Generator:
        """A fresh one, so that the order of calls does not matter."""
        return torch.Generator().manual_seed(self.seed)

    def symmetric(self, size: int | None = None) -> Tensor:
        """(*batch, size, size) positive semidefinite with the eigenvalues asked for."""
        size = self.sizes[-1] if size is None else size
        values = eigenvalues(self.spectrum, size)
        live = int((values > 0).sum())
        vectors = orthogonal(*self.batch, live, live, generator=self.generator)
        a = torch.zeros(*self.batch, size, size, dtype=torch.float64)
        a[..., :live, :live] = (vectors * values[:live]) @ vectors.mT
        return (a + a.mT) / 2

    def rectangular(self) -> Tensor:
        """(*batch, m, n) of sizes (m, n); the spectrum is that of the singular values."""
        m, n = self.sizes
        values = eigenvalues(self.spectrum, min(m, n))
        live = int((values > 0).sum())
        generator = self.generator
        left = orthogonal(*self.batch, m, live, generator=generator)
        right = orthogonal(*self.batch, live, live, generator=generator)
        x = torch.zeros(*self.batch, m, n, dtype=torch.float64)
        if m >= n:
            x[..., :live] = (left * values[:live]) @ right.mT
        else:
            wide = orthogonal(*self.batch, n, live, generator=generator)
            x[..., :live, :] = (right * values[:live]) @ wide.mT
        return x

    def positive(self, *shape: int) -> Tensor:
        """(*batch, *shape) uniform in [0.1, 1.1]: features after a ReLU; no chosen spectrum."""
        size = (*self.batch, *shape)
        return torch.rand(size, dtype=torch.float64, generator=self.generator) + 0.1

    def but(self, **changes: object) -> "Draw":
        """The same request with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Symmetry:
    """f(before(inputs)) = after(f(inputs)).

    Attributes:
        name: which one.
        before: (inputs, generator) → inputs.
        after: (outputs, generator) → outputs; the generator is in the state that `before` found.
    """

    name: str
    before: Callable[[tuple[Tensor, ...], torch.Generator], tuple[Tensor, ...]]
    after: Callable[[tuple[Tensor, ...], torch.Generator], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Case:
    """A layer under test.

    Attributes:
        name: unique over all cases.
        function: tensors in, a tensor or a tuple of tensors out, differentiable in all inputs.
        inputs: an example for a `Draw`.
        oracle: the same by other means (dense, textbook), for "generic" inputs; None: no oracle.
        sizes: sizes to draw; those that hold a 0 or only ones are for the edge test alone.
        spectra: degenerate inputs on which value and gradient must be finite.
        symmetries: what must leave it alone.
        batched: takes leading dimensions.
        second_order: double backward works.
        vmap: `torch.vmap` over the leading dimension works.
        compile: `torch.compile` works.
        one_graph: and finds no graph break.
        single: float32 inputs are taken; outputs and gradients come back in float32.
        single_tolerance: relative, of float32 against float64 on the same (rounded) inputs.
        nan: NaN and Inf in any input must raise a WorkbenchError.
        warns: warnings that degenerate input may bring.
    """

    name: str
    function: Callable[..., Tensor | tuple[Tensor, ...]]
    inputs: Callable[[Draw], tuple[Tensor, ...]]
    oracle: Callable[..., Tensor | tuple[Tensor, ...]] | None = None
    sizes: tuple[tuple[int, ...], ...] = ((4,), (0,), (1,))
    spectra: tuple[str, ...] = ()
    symmetries: tuple[Symmetry, ...] = ()
    batched: bool = True
    second_order: bool = True
    vmap: bool = True
    compile: bool = True
    one_graph: bool = False
    single: bool = True
    single_tolerance: float = 1e-6
    nan: bool = True
    warns: tuple[type[Warning], ...] = ()

    def outputs(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the function gives, always as a tuple."""
        return as_tuple(self.function(*inputs))

    @property
    def proper_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Those that are neither empty nor 1×1."""
        return tuple(s for s in self.sizes if math.prod(s) > 1)


def as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One tensor or several, as a tuple."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def derivatives(
    function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: tuple[Tensor, ...], seed: int = 1
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Outputs, and gradients with an upstream that depends on the seed and nothing else."""
    leaves = tuple(x.detach().clone().requires_grad_() for x in inputs)
    outputs = as_tuple(function(*leaves))
    generator = torch.Generator().manual_seed(seed)
    total = sum(
        (y * torch.randn(y.shape, dtype=torch.float64, generator=generator).to(y)).sum()
        for y in outputs
    )
    gradients = torch.autograd.grad(total, leaves)  # type: ignore[arg-type]
    return tuple(y.detach() for y in outputs), gradients


def relative_error(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖ in float64, absolute where the expected is zero."""
    scale = float(expected.double().norm()) or 1.0
    return float((found.double() - expected.double()).norm()) / scale
