"""The questions for layers with state: parameters, buffers, training and evaluation."""

import copy

import torch
from torch import Tensor

from workbench.testing.case import Case, State, Tensors, as_tuple, called, leaves
from workbench.testing.checks import expect, noting


def evaluation_is_fixed(case: Case) -> None:
    """In evaluation mode a call changes no state, and draws no random numbers."""
    layer, examples = copy.deepcopy(_state(case).layer), _state(case).examples()
    before = _all_state(layer)
    first = as_tuple(layer(*examples))
    second = as_tuple(layer(*(x.flip(0) for x in examples)))
    for name, value in _all_state(layer).items():
        expect(torch.equal(value, before[name]), f"evaluation has changed {name}")
    for one, other in zip(first, as_tuple(layer(*examples)), strict=True):
        expect(torch.equal(one, other), "the same examples give other outputs the second time")
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one.flip(0), other, rtol=1e-12, atol=1e-13)


def evaluation_ignores_the_batch(case: Case) -> None:
    """In evaluation mode an example gives alone what it gives in a batch."""
    state = _state(case)
    examples = state.examples()
    together = as_tuple(state.layer(*examples))
    for i in range(len(examples[0])):
        with noting(f"example {i}"):
            alone = as_tuple(state.layer(*(x[i : i + 1] for x in examples)))
            for whole, part in zip(together, alone, strict=True):
                torch.testing.assert_close(whole[i : i + 1], part, rtol=1e-12, atol=1e-13)


def fitting_reaches_the_buffers(case: Case) -> None:
    """`fit` changes a buffer: what a layer keeps elsewhere is neither moved nor saved with it."""
    state = _state(case)
    before, after = dict(state.fresh().named_buffers()), dict(state.layer.named_buffers())
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    expect(bool(changed), f"of the buffers {sorted(before)} fitting has changed none")


def state_round_trip(case: Case) -> None:
    """A new layer with the fitted one's `state_dict` gives the same outputs, bit for bit."""
    state = _state(case)
    other = state.fresh(seed=1)
    other.load_state_dict(copy.deepcopy(state.layer.state_dict()), strict=True)
    other.eval()
    examples = state.examples()
    pairs = zip(as_tuple(state.layer(*examples)), as_tuple(other(*examples)), strict=True)
    expect(all(torch.equal(*pair) for pair in pairs), "the layer that was loaded gives others")


def no_gradient_in_buffers(case: Case) -> None:
    """Two training steps in a row: no buffer holds on to the graph of the first."""
    state = _state(case)
    layer = state.fresh()
    for step in range(2):
        with noting(f"training step {step}"):
            inputs = leaves(state.examples())
            torch.stack([y.sum() for y in as_tuple(layer(*inputs))]).sum().backward()
            held = [name for name, value in layer.named_buffers() if value.requires_grad]
            expect(not held, f"buffers with a gradient: {held}; update them without one")


def training_derivative(case: Case) -> None:
    """In training mode the gradient is that of finite differences, through batch statistics too."""
    state = _state(case)
    layer = state.fresh()
    inputs = leaves(state.examples())
    torch.autograd.gradcheck(lambda *xs: called(layer, *xs), inputs)


def _state(case: Case) -> State:
    assert case.state is not None
    return case.state


def _all_state(layer: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of parameters and buffers, those included that are not saved."""
    both: Tensors = (*layer.parameters(), *layer.buffers())
    names = [name for name, _ in (*layer.named_parameters(), *layer.named_buffers())]
    return {name: value.detach().clone() for name, value in zip(names, both, strict=True)}
