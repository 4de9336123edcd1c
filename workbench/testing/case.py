"""Declaration by which a layer joins the conformance suite."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.testing.draw import Draw

Function = Callable[..., Tensor | tuple[Tensor, ...]]
Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Symmetry:
    """f(before(inputs)) = after(f(inputs)).

    Attributes:
        name: which one.
        before: (inputs, generator) → inputs.
        after: (outputs, generator) → outputs; the generator is in the state that `before` found.
    """

    name: str
    before: Callable[[Tensors, torch.Generator], Tensors]
    after: Callable[[Tensors, torch.Generator], Tensors]


def call_once(layer: nn.Module, examples: Tensors) -> None:
    """Call once in training mode: enough for running statistics."""
    layer(*examples)


@dataclass(frozen=True)
class State:
    """A layer with parameters, buffers or modes.

    Attributes:
        make: builds it, as a user would.
        examples: float64 inputs to fit it on, along a leading batch dimension.
        fit: fills its buffers, given the layer in training mode and the examples: a calibration,
            or a call. None: nothing is fitted.
        random: in training it draws numbers (dropout): no derivative is checked there.
    """

    make: Callable[[], nn.Module]
    examples: Callable[[], Tensors]
    fit: Callable[[nn.Module, Tensors], object] | None = call_once
    random: bool = False

    def fresh(self, seed: int = 0) -> nn.Module:
        """A new layer in float64 and in training mode; of one seed always the same."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.make().double().train()

    @cached_property
    def layer(self) -> nn.Module:
        """The fitted layer in evaluation mode, not to be changed."""
        layer = self.fresh()
        if self.fit is not None:
            self.fit(layer, self.examples())
        return layer.eval()

    def evaluated(self, *inputs: Tensor) -> Tensor | Tensors:
        """The fitted layer as a function of its inputs, on their device and in their precision."""
        return called(self.layer, *inputs)


def called(layer: nn.Module, *inputs: Tensor) -> Tensor | Tensors:
    """A layer's outputs with a copy of its state, on the device and in the precision of inputs."""
    like = inputs[0]
    state = {
        name: value.detach().clone().to(like if value.is_floating_point() else like.device)
        for name, value in (*layer.named_parameters(), *layer.named_buffers())
    }
    outputs: Tensor | Tensors = torch.func.functional_call(layer, state, inputs)
    return outputs


@dataclass(frozen=True)
class Case:
    """A layer under test.

    The function must be free of gauge: not eigenvectors, but what their signs leave alone.

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
        forward: forward mode works (`torch.func.jvp`), over reverse where `second_order` holds.
        batched_gradients: several upstream gradients at a time work (`is_grads_batched`).
        compile: `torch.compile` works.
        one_graph: and finds no graph break.
        single: float32 inputs are taken; outputs and gradients come back in float32.
        single_tolerance: relative, of float32 against float64 on the same (rounded) inputs.
        refuses: NaN and Inf in any input must raise this error, which names them; None: need not.
        warns: warnings that degenerate input may bring.
        state: for a layer with state, see `of_layer`.
    """

    name: str
    function: Function
    inputs: Callable[[Draw], Tensors]
    oracle: Function | None = None
    sizes: tuple[tuple[int, ...], ...] = ((4,), (0,), (1,))
    spectra: tuple[str, ...] = ()
    symmetries: tuple[Symmetry, ...] = ()
    batched: bool = True
    second_order: bool = True
    vmap: bool = True
    forward: bool = True
    batched_gradients: bool = True
    compile: bool = True
    one_graph: bool = False
    single: bool = True
    single_tolerance: float = 1e-6
    refuses: type[Exception] | None = WorkbenchError
    warns: tuple[type[Warning], ...] = ()
    state: State | None = None

    @classmethod
    def of_layer(
        cls,
        name: str,
        make: Callable[[], nn.Module],
        inputs: Callable[[Draw], Tensors],
        *,
        fit: Callable[[nn.Module, Tensors], object] | None = call_once,
        random: bool = False,
        **options: object,
    ) -> "Case":
        """A case for a layer with state; `function` is the fitted layer in evaluation mode.

        Args:
            name: unique over all cases.
            make: builds the layer; it must take every one of `sizes`.
            inputs: an example for a `Draw`; where the case is not `batched`, it has a leading batch
                dimension of itself.
            fit: see `State`.
            random: see `State`.
            options: the other fields of a case.
        """
        batch = (5,) if options.get("batched", True) else ()
        sizes = next(s for s in options.get("sizes", cls.sizes) if math.prod(s) > 1)  # type: ignore[attr-defined]
        state = State(make, lambda: inputs(Draw(batch, sizes, seed=11)), fit, random)
        return cls(name, state.evaluated, inputs, state=state, **options)  # type: ignore[arg-type]

    def but(self, **changes: object) -> "Case":
        """The same case with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def outputs(self, *inputs: Tensor) -> Tensors:
        """Outputs of the function, always as a tuple."""
        return as_tuple(self.function(*inputs))

    @property
    def proper_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Sizes that are neither empty nor 1×1."""
        return tuple(s for s in self.sizes if math.prod(s) > 1)


def as_tuple(outputs: Tensor | Tensors) -> Tensors:
    """Tuple of one tensor or several."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def leaves(tensors: Tensors) -> Tensors:
    """Copies that gradients can be asked for."""
    return tuple(x.detach().clone().requires_grad_() for x in tensors)


def derivatives(function: Function, inputs: Tensors, seed: int = 1) -> tuple[Tensors, Tensors]:
    """Outputs, and gradients with an upstream that depends on the seed and nothing else."""
    copies = leaves(inputs)
    outputs = as_tuple(function(*copies))
    gradients = torch.autograd.grad(inner(outputs, noise(outputs, seed)), copies)
    return tuple(y.detach() for y in outputs), gradients


def noise(like: Tensors, seed: int) -> Tensors:
    """Normal numbers of these shapes, that depend on the seed and nothing else."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(y.shape, dtype=torch.float64, generator=generator).to(y) for y in like)


def inner(one: Tensors, other: Tensors) -> Tensor:
    """Inner product, over all entries of all tensors."""
    return torch.stack([(x * y).sum() for x, y in zip(one, other, strict=True)]).sum()


def relative_error(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖ in float64, absolute where the expected is zero."""
    scale = float(expected.double().norm()) or 1.0
    return float((found.double() - expected.double()).norm()) / scale
