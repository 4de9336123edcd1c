"""Chains: networks in which each module reads the output of the one before it alone."""

from collections import OrderedDict

from torch import nn

from workbench.errors import WorkbenchError
from workbench.models.backbones import Backbone, backbone_entry
from workbench.models.weights import known_weights, load_weights


def chain_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of a chain, in the order in which they run.

    Args:
        model: `nn.Sequential`, nested or not, or a single module without children.

    Raises:
        WorkbenchError: a module with a `forward` of its own runs several others.
    """
    found: list[tuple[str, nn.Module]] = []
    _walk("", model, found)
    return found


def _walk(name: str, module: nn.Module, found: list[tuple[str, nn.Module]]) -> None:
    children = list(module.named_children())
    if children and not isinstance(module, nn.Sequential):
        raise WorkbenchError(
            "a plain chain of layers (nn.Sequential)",
            f"{name or 'the network'} ({type(module).__name__}), whose forward is its own, so that "
            "sums and calls of functions in it cannot be seen",
            "pass the chain inside of it, or ask for the measurement alone",
        )
    if not children:
        found.append((name, module))
    for child, each in children:
        _walk(f"{name}.{child}" if name else child, each, found)


def numbered_chain(backbone: str) -> nn.Sequential:
    """Convolutions of a backbone as a chain, with the weights of $WORKBENCH_DATA/weights.

    Modules are named by the number of their convolution: conv1, relu1, conv2, relu2, pool2, … Its
    input is normalised as ImageNet's images are. A backbone without known weights is random.

    Raises:
        WorkbenchError: no such backbone, or no file of its weights.
    """
    entry = backbone_entry(backbone)
    network = Backbone(backbone, entry.taps[-1])
    if entry.pretrained:
        load_weights(network, known_weights(backbone))
    named: OrderedDict[str, nn.Module] = OrderedDict()
    number = 0
    for module in network.features:
        number += isinstance(module, nn.Conv2d)
        kind = {nn.Conv2d: "conv", nn.ReLU: "relu"}.get(type(module), "pool")
        named[f"{kind}{number}"] = module
    return nn.Sequential(named).eval()
