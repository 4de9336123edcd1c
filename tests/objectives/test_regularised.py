"""f(θ) = θᵀθ/(2C) + (1/l) Σ ξ against its definition, gradcheck, and a trainer's view of it."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.errors import WorkbenchError
from workbench.objectives.regularised import LOSSES, RegularisedObjective, penalty


def linear(**options) -> nn.Linear:
    return nn.Linear(4, 3, dtype=torch.float64, **options)


INPUTS = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(6, 4).sin()
LABELS = torch.tensor([0, 2, 1, 1, 0, 2])

BY_HAND = {
    "logistic": lambda z, y: -torch.log(z[y].exp() / z.exp().sum()),
    "squared hinge": lambda z, y: sum(
        max(0.0, 1 - (z[k] if k == y else -z[k])) ** 2 for k in range(len(z))
    ),
    "squared": lambda z, y: sum((z[k] - float(k == y)) ** 2 for k in range(len(z))),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_is_its_definition(loss: str) -> None:
    network = linear()
    found = RegularisedObjective(network, 2.5, loss)(INPUTS, LABELS)
    theta = torch.cat([p.flatten() for p in network.parameters()])
    losses = [BY_HAND[loss](z, int(y)) for z, y in zip(network(INPUTS), LABELS, strict=True)]
    torch.testing.assert_close(found["penalty"], theta @ theta / 5)
    torch.testing.assert_close(found["data"], torch.stack(losses).mean())
    torch.testing.assert_close(found["loss"], found["penalty"] + found["data"])


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck_in_the_parameters(loss: str) -> None:
    objective = RegularisedObjective(nn.Sequential(linear(), nn.Tanh()), 0.7, loss)
    names, values = zip(*objective.named_parameters(), strict=True)

    def f(*parameters: Tensor) -> Tensor:
        state = dict(zip(names, parameters, strict=True))
        return functional_call(objective, state, (INPUTS, LABELS))["loss"]

    leaves = [v.detach().clone().requires_grad_() for v in values]
    assert torch.autograd.gradcheck(f, leaves)
    assert torch.autograd.gradgradcheck(f, leaves)


def test_batches_of_a_pass_average_to_the_whole() -> None:
    objective = RegularisedObjective(linear(), 3.0, "squared hinge")
    whole = objective(INPUTS, LABELS)["loss"]
    parts = [objective(INPUTS[i : i + 2], LABELS[i : i + 2])["loss"] for i in (0, 2, 4)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_a_loss_of_ones_own_and_frozen_parameters() -> None:
    network = linear()
    network.bias.requires_grad_(False)
    found = RegularisedObjective(network, 1.0, lambda z, y: z[:, 0].abs())(INPUTS, LABELS)
    torch.testing.assert_close(found["penalty"], network.weight.square().sum() / 2)
    torch.testing.assert_close(found["data"], network(INPUTS)[:, 0].abs().mean())


def test_the_penalty_holds_the_parameters_to_zero() -> None:
    sizes = []
    for cost in (100.0, 0.01):
        torch.manual_seed(0)
        objective = RegularisedObjective(linear(), cost, "squared hinge")
        optimizer = torch.optim.LBFGS(objective.parameters(), line_search_fn="strong_wolfe")

        def closure(objective=objective, optimizer=optimizer) -> Tensor:
            optimizer.zero_grad()
            value = objective(INPUTS, LABELS)["loss"]
            value.backward()
            return value

        before = closure().item()
        for _ in range(5):
            optimizer.step(closure)
        assert closure().item() < before
        sizes.append(penalty(objective.parameters(), 0.5).item())
    assert sizes[1] < 0.1 * sizes[0]


def test_float32_networks_and_no_parameters() -> None:
    found = RegularisedObjective(nn.Linear(4, 3), 1.0)(INPUTS.float(), LABELS)
    assert found["loss"].dtype == torch.float64
    assert penalty([], 1.0) == 0


def test_bad_arguments_are_named() -> None:
    for cost in (0.0, -1.0, float("nan")):
        with pytest.raises(WorkbenchError, match="a cost C > 0"):
            RegularisedObjective(linear(), cost)
    with pytest.raises(WorkbenchError, match="one of the losses logistic, squared hinge, squared"):
        RegularisedObjective(linear(), 1.0, "hinge")
    with pytest.raises(WorkbenchError, match="at least one sample"):
        RegularisedObjective(linear(), 1.0)(INPUTS[:0], LABELS[:0])
