"""Networks that are measured side by side: the given weights, and random draws of them."""

from typing import Literal

from torch import nn

from workbench.errors import WorkbenchError
from workbench.models.random_weights import randomised

GIVEN = "given"
"""Name of the model's own weights; random draws are "random 1", "random 2", …"""
Beside = Literal["random"] | None


def seeds_beside(beside: Beside, draws: int, seed: int) -> dict[str, int | None]:
    """Seeds of the networks by name: None for the given weights, then one for each random draw.

    Raises:
        WorkbenchError: fewer than one draw.
    """
    if draws < 1:
        raise WorkbenchError(
            "at least one random network", f"{draws}", 'or leave out beside="random"'
        )
    random = {f"random {i + 1}": seed + i for i in range(draws if beside == "random" else 0)}
    return {GIVEN: None, **random}


def weighted(model: nn.Module, seed: int | None) -> nn.Module:
    """The model itself, or a copy with random weights of a seed."""
    return model if seed is None else randomised(model, seed)
