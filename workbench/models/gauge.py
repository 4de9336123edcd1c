"""Gauge of a ReLU network: the scales of its channels, which its function does not show.

Multiplying channel c of a layer by s_c > 0 and dividing the next layer's weights by s_c leaves the
function as it is, since ρ(s t) = s ρ(t), but changes the angles *at* that layer. The balanced gauge
has ‖incoming weights‖² = ‖outgoing weights‖² for every hidden channel, where weight decay leads
(Neyshabur, Salakhutdinov, Srebro, "Path-SGD", NIPS 2015, on the invariance). Biases follow their
channels and do not count as incoming weights.
"""

from copy import deepcopy
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.chains import chain_of

MAPS = (nn.Linear, nn.Conv2d)
BETWEEN = (
    nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d,
    nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d,
)  # fmt: skip
"""Modules that a common positive factor of a channel passes through."""
SWEEPS, TOLERANCE = 200, 1e-6


def why_not_balanced(model: nn.Module) -> str:
    """Sentence why a network has no balanced gauge here; "" where it has one."""
    try:
        modules = chain_of(model)
    except WorkbenchError as error:
        return f"the gauge is for plain chains: {error.found}"
    for name, module in modules:
        if not isinstance(module, (*MAPS, *BETWEEN)):
            return (
                f"{name} ({type(module).__name__}) may not pass a channel's factor on; the gauge "
                "is for Conv2d, Linear, ReLU, LeakyReLU and pooling"
            )
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            return f"{name} has {module.groups} groups, which do not see all channels"
    if sum(isinstance(module, MAPS) for _, module in modules) < 2:
        return "fewer than two layers with weights leave no hidden channel to balance"
    return ""


def balanced(model: nn.Module) -> nn.Module:
    """Copy of a chain of the same function in the balanced gauge.

    Channels without incoming or outgoing weights keep their scale.

    Raises:
        WorkbenchError: the network has none, see `why_not_balanced`.
    """
    reason = why_not_balanced(model)
    if reason:
        raise WorkbenchError(
            "a network whose channels can be balanced", reason, 'ask for gauge="given"'
        )
    copy = deepcopy(model)
    maps = [module for _, module in chain_of(copy) if isinstance(module, MAPS)]
    with torch.no_grad():
        for _ in range(SWEEPS):
            if max(_balance(a, b) for a, b in pairwise(maps)) < TOLERANCE:
                break
    return copy


def _balance(first: nn.Module, second: nn.Module) -> float:
    """Balance the channels between two layers; the largest change of a scale's logarithm."""
    assert isinstance(first, MAPS)
    assert isinstance(second, MAPS)
    incoming = first.weight.double().flatten(1).square().sum(1)
    outgoing = _by_channel(second, len(incoming)).double().square().sum((0, 2))
    alive = (incoming > 0) & (outgoing > 0)
    ratio = torch.where(alive, outgoing, 1.0) / torch.where(alive, incoming, 1.0)
    scale = (ratio**0.25).to(first.weight)
    first.weight.mul_(scale.view(-1, *[1] * (first.weight.dim() - 1)))
    if first.bias is not None:
        first.bias.mul_(scale)
    _by_channel(second, len(incoming)).div_(scale[None, :, None])
    return float(scale.log().abs().max())


def _by_channel(layer: nn.Module, channels: int) -> Float[Tensor, "outputs channels each"]:
    """View of a layer's weights by the channel that they read; flattened maps have several each."""
    assert isinstance(layer, MAPS)
    return layer.weight.data.view(layer.weight.shape[0], channels, -1)
