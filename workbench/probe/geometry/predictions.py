"""Angles that layers of random weights would give, beside measured ones, where a theory holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.geometry.assumptions import LinearMap, predicted_angles, why_not
from workbench.geometry.gram import pair_indices
from workbench.geometry.random_layers import angle_after
from workbench.models.chains import chain_of

PASSED = (nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.Identity, nn.Dropout)
"""Modules beside linear maps in a chain beside which the fully connected formula is shown."""


@dataclass(frozen=True, eq=False)
class LayerPrediction:
    """Angles at a layer that random weights would give, from the theory.

    Attributes:
        layer: name of the layer.
        exact: (pairs,) by the recursion over patches, exact for many channels; None where an
            assumption fails.
        formula: (pairs,) by the formula of fully connected layers, whatever the layers' kind and
            pooling; None where the network is no chain of linear maps, ReLU and pooling.
        why_not: sentence that names the first assumption that fails; "" where none does.
    """

    layer: str
    exact: Float64[np.ndarray, "pairs"] | None
    formula: Float64[np.ndarray, "pairs"] | None
    why_not: str


def predicted_layer(
    network: nn.Module,
    layer: str,
    inputs: Sequence[Tensor],
    angles_in: Float64[np.ndarray, "pairs"],
) -> LayerPrediction:
    """Angles at a layer of this architecture with random weights, or why there is no prediction.

    Args:
        network: network whose chain of modules is read, not its weights.
        layer: name of the layer.
        inputs: images of one size, (channels, height, width) each.
        angles_in: angles of all pairs of inputs, radians.
    """
    try:
        chain = chain_of(network)
    except WorkbenchError as error:
        return LayerPrediction(layer, None, None, error.found)
    names = [name for name, _ in chain]
    last = max(
        (i for i, n in enumerate(names) if n == layer or n.startswith(f"{layer}.")), default=-1
    )
    before = [module for _, module in chain[: last + 1]]
    formula = _formula(before, angles_in)
    reasons = [
        f"{name} ({type(module).__name__}): {sentence.partition(': ')[2]}"
        for name, module in chain[: last + 1]
        for sentence in why_not([module])
    ]
    if reasons:
        return LayerPrediction(layer, None, formula, reasons[0])
    exact = [
        _last(predicted_angles(before, inputs[i], inputs[j]), angle) if angle == angle else np.nan
        for i, j, angle in zip(*pair_indices(len(inputs)), angles_in, strict=True)
    ]
    return LayerPrediction(layer, np.array(exact), formula, "")


def _last(found: dict[str, float], otherwise: float) -> float:
    return next(reversed(found.values()), float(otherwise))


def _formula(
    modules: Sequence[nn.Module], angles_in: Float64[np.ndarray, "pairs"]
) -> Float64[np.ndarray, "pairs"] | None:
    """Formula of fully connected layers, activation by activation, poolings left out."""
    if not all(isinstance(each, (*LinearMap, *PASSED)) for each in modules):
        return None
    known = np.isfinite(angles_in)
    angles = torch.from_numpy(np.where(known, angles_in, 0.0))
    for each in modules:
        if isinstance(each, nn.ReLU | nn.LeakyReLU):
            angles = angle_after(angles, 1, float(getattr(each, "negative_slope", 0.0)))
    found: np.ndarray = np.where(known, angles.numpy(), np.nan)
    return found
