"""Regularised objective of a network, f(θ) = θᵀθ/(2C) + (1/l) Σ ξ(zᵢ; yᵢ) (C.-J. Lin's slides).

θ is all parameters together, biases too; l the number of samples, zᵢ the network's output for the
i-th and ξ its loss. Over a mini-batch the second term is that batch's mean, so that averaging
over the batches of a pass, as the trainer does, gives an unbiased gradient of f.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from workbench.errors import WorkbenchError
from workbench.linalg.precision import check_real, widened

Loss = Callable[[Tensor, Tensor], Tensor]
"""Loss ξ: outputs (samples, classes) and labels (samples,) to a loss of each sample, (samples,)."""


def logistic(
    z: Float[Tensor, "samples classes"], y: Int[Tensor, "samples"]
) -> Float[Tensor, "samples"]:
    """Multinomial logistic loss, −log softmax(z)_y."""
    return cross_entropy(_checked(z), y, reduction="none").to(z.dtype)


def squared_hinge(
    z: Float[Tensor, "samples classes"], y: Int[Tensor, "samples"]
) -> Float[Tensor, "samples"]:
    """Squared hinge loss of one class against the rest.

    Σ_k max(0, 1 − t_k z_k)², t_k = 1 for k = y and −1 otherwise.
    """
    wide = _checked(z)
    sign = 2 * one_hot(y, z.shape[1]).to(wide.dtype) - 1
    return (1 - sign * wide).relu().square().sum(1).to(z.dtype)


def squared(
    z: Float[Tensor, "samples classes"], y: Int[Tensor, "samples"]
) -> Float[Tensor, "samples"]:
    """Squared loss ‖z − e_y‖², as in Lin's slides."""
    wide = _checked(z)
    return (wide - one_hot(y, z.shape[1]).to(wide.dtype)).square().sum(1).to(z.dtype)


def _checked(z: Tensor) -> Tensor:
    check_real(z, "output of the network")
    return widened(z)


LOSSES: dict[str, Loss] = {
    "logistic": logistic,
    "squared hinge": squared_hinge,
    "squared": squared,
}


def penalty(parameters: Iterable[Tensor], cost: float) -> Float[Tensor, ""]:
    """Penalty θᵀθ/(2C), summed in float64 over all parameters."""
    squares = [p.double().square().sum() for p in parameters]
    return torch.stack(squares).sum() / (2 * cost) if squares else torch.zeros(()).double()


class RegularisedObjective(nn.Module):
    """Network with its objective, for `training.Task.network`.

    Args:
        network: network with outputs (samples, classes); its trainable parameters are θ.
        cost: C > 0; the smaller, the stronger the penalty.
        loss: ξ, one of LOSSES by name, or another function.

    Raises:
        WorkbenchError: C is not positive, or there is no loss of that name.
    """

    def __init__(self, network: nn.Module, cost: float, loss: Loss | str = "logistic") -> None:
        super().__init__()
        if not 0 < cost < float("inf"):
            raise WorkbenchError("a cost C > 0", f"{cost}", "C = 1 is a place to start")
        if isinstance(loss, str) and loss not in LOSSES:
            raise WorkbenchError(
                f"one of the losses {', '.join(LOSSES)}", loss, "or pass a function as the loss"
            )
        self.network, self.cost = network, cost
        self.loss = LOSSES[loss] if isinstance(loss, str) else loss

    def forward(self, inputs: Tensor, labels: Int[Tensor, "samples"]) -> dict[str, Tensor]:
        """Objective f(θ) as "loss", and its terms "penalty" and "data": scalars, float64.

        Args:
            inputs: input of the network, l samples.
            labels: (l,) int64, classes from 0.

        Raises:
            WorkbenchError: there is no sample, or the network's outputs are not real.
        """
        if len(labels) == 0:
            raise WorkbenchError("at least one sample", "none", "leave empty batches out")
        theta = [p for p in self.network.parameters() if p.requires_grad]
        outputs = self.network(inputs)
        check_real(outputs, "output of the network")
        data = self.loss(widened(outputs), labels).double().mean()
        held = penalty(theta, self.cost).to(data.device)
        return {"loss": held + data, "penalty": held, "data": data}
