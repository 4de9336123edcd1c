"""Networks and layers as commands name them: backbones by number, or package.module:function."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def network_and_layers(
    network: str, layers: str, checkpoint: Path | None
) -> "tuple[nn.Module, list[str]]":
    """Network in evaluation mode, and the names or patterns of its layers.

    Args:
        network: name of a backbone, or `package.module:function`.
        layers: names or patterns, commas between; of a backbone also numbers of convolutions, which
            mean their ReLUs.
        checkpoint: state dict to load.

    Raises:
        WorkbenchError: no such network, or another one's checkpoint.
    """
    from workbench.models.backbones import BACKBONES
    from workbench.models.chains import numbered_chain
    from workbench.probe.networks import load_checkpoint, network_of

    names = [each.strip() for each in layers.split(",")]
    if network not in BACKBONES:
        return network_of(network, checkpoint), names
    model = numbered_chain(network)
    if checkpoint is not None:
        load_checkpoint(model, checkpoint)
    return model, [f"relu{each}" if each.isdigit() else each for each in names]
