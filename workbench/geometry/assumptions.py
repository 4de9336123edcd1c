"""Assumptions of the formulas for random layers, looked up in torch modules.

`random_layers` holds for linear and convolutional layers without bias, of independent Gaussian
weights, with ReLU or a leaky ReLU between them. `why_not` says which modules break which, and
`predicted_angles` gives the formula's angles where none does. A bias, a pooling or a normalisation
leaves the measurement, and takes the prediction away.
"""

from collections.abc import Iterable, Iterator
from math import sqrt

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array
from workbench.geometry.random_layers import PairMaps, pair_maps

Modules = nn.Module | Iterable[nn.Module]
LinearMap = (nn.Linear, nn.Conv2d)
Activation = (nn.ReLU, nn.LeakyReLU)
Pooling = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
)  # fmt: skip
Normalisation = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm,
    nn.InstanceNorm2d, nn.LocalResponseNorm, nn.RMSNorm,
)  # fmt: skip
GAUSSIAN_LIMIT = 6.0
"""Standard errors from a Gaussian's mean or kurtosis, past which weights are called another law."""


def why_not(modules: Modules) -> tuple[str, ...]:
    """Sentences, each a module and the assumption of `random_layers` that it breaks.

    Args:
        modules: a module with its children, or modules in the order in which they are run. Calls of
            functions inside a `forward`, sums of a residual block among them, cannot be seen: a
            module of one's own with children gets a sentence for that.

    Returns:
        No sentence where the formulas hold.
    """
    return tuple(
        f"{name} ({type(module).__name__}): {reason}"
        for name, module in _in_order(modules)
        for reason in _reasons(module)
    )


def _in_order(modules: Modules) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules, containers that only run their children left out."""
    if isinstance(modules, nn.Module):
        yield from _opened("", modules)
    else:
        for index, module in enumerate(modules):
            yield from _opened(str(index), module)


def _opened(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    children = list(module.named_children())
    if not isinstance(module, nn.Sequential):
        yield name or "the module", module
    for child, each in children:
        yield from _opened(f"{name}.{child}" if name else child, each)


def _reasons(module: nn.Module) -> Iterator[str]:
    if isinstance(module, nn.Linear | nn.Conv2d):
        yield from _reasons_of_weights(module)
    elif isinstance(module, Pooling):
        yield (
            "pooling mixes positions, so that inner products between different positions count; "
            "the recursion knows those of equal positions only"
        )
    elif isinstance(module, Normalisation):
        yield (
            "normalisation shifts or scales by statistics of its input, which is not a fixed "
            "random linear map"
        )
    elif isinstance(module, nn.Dropout | nn.Dropout2d):
        if module.training:
            yield "dropout draws anew for each input; call eval() first"
    elif any(True for _ in module.children()):
        yield "its forward is its own, so that sums and calls of functions in it cannot be seen"
    elif not isinstance(module, (*Activation, nn.Identity, nn.Flatten)):
        yield "the formulas are for Linear, Conv2d, ReLU and LeakyReLU"


def _reasons_of_weights(module: nn.Linear | nn.Conv2d) -> Iterator[str]:
    bias, weight = module.bias, module.weight.detach()
    if isinstance(bias, Tensor) and bool(bias.detach().any()):
        yield "it has a bias, and the formula is for linear maps"
    if isinstance(module, nn.Conv2d):
        if module.groups > 1:
            yield f"its {module.groups} groups do not see all channels, and the formula sums them"
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            yield "the recursion is for padding by a number of zeros"
        if module.dilation != (1, 1):
            yield "the recursion is for kernels without dilation"
    law = _law(weight)
    if law:
        yield f"{law}, and the theorem is for independent Gaussian weights of mean 0"


def _law(weight: Tensor) -> str:
    """Difference between a matrix of weights and Gaussian ones, in words; "" where none is seen."""
    values = weight.double().flatten()
    if not bool(torch.isfinite(values).all()):
        return "its weights are not finite"
    spread = values.std(correction=0)
    if spread == 0:
        return "its weights are all equal"
    scores = (values - values.mean()) / spread
    mean = float(values.mean() / spread)
    kurtosis = float((scores**4).mean()) - 3
    if abs(kurtosis) > GAUSSIAN_LIMIT * sqrt(24 / len(values)):
        return f"its weights have excess kurtosis {kurtosis:.2f} (a Gaussian 0, a uniform law −1.2)"
    if abs(mean) > GAUSSIAN_LIMIT / sqrt(len(values)):
        return f"its weights have a mean of {mean:.2f} standard deviations"
    return ""


def predicted_angles(modules: Modules, u: Array, v: Array) -> dict[str, float]:
    """Angle between the outputs of u and v after each module, as the formulas have it, in radians.

    Args:
        modules: as `why_not`.
        u: (channels, height, width) or (features,), without a batch.
        v: of the same shape.

    Returns:
        Module name → angle, for every linear map and activation; the others keep it.

    Raises:
        WorkbenchError: an assumption does not hold (the first sentence of `why_not`), or as
            `random_layers.pair_maps`.
    """
    reasons = why_not(modules)
    if reasons:
        raise WorkbenchError(
            "random layers that the formula holds for",
            reasons[0],
            "show the measured angles without a prediction; why_not() lists every reason",
        )
    maps, found = pair_maps(u, v), {}
    for name, module in _in_order(modules):
        maps = _after(module, maps)
        if isinstance(module, (*LinearMap, *Activation)):
            found[name] = float(maps.angle)
    return found


def _after(module: nn.Module, maps: PairMaps) -> PairMaps:
    if isinstance(module, nn.Conv2d):
        assert not isinstance(module.padding, str)  # why_not refuses "same"
        kernel, stride, padding = (
            (int(a), int(b)) for a, b in (module.kernel_size, module.stride, module.padding)
        )
        return maps.patches(kernel, stride, padding)
    if isinstance(module, nn.Linear):
        return maps.summed()
    if isinstance(module, Activation):
        return maps.after_activation(float(getattr(module, "negative_slope", 0.0)))
    return maps
