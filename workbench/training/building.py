"""From a configuration to a network: fresh, or as a run left it; and how its parameters learn."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models import load_weights
from workbench.models.features import file_digest
from workbench.runs import Run
from workbench.training.checkpoints import load_checkpoint
from workbench.training.config import Network, NetworkConfig


def fresh_model(config: NetworkConfig[Network]) -> Network:
    """The network before its first step: as a run left it, or pretrained with new layers.

    Raises:
        WorkbenchError: the weights cannot be read or belong to another network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = config.network()
    if config.start is not None:
        model.load_state_dict(_network_state(Run.open(config.start)))
    elif config.weights is not None:
        backbone: Any = model.backbone
        load_weights(backbone, Path(config.weights))
    return model


def trained_model(run: Run, kind: type[NetworkConfig[Network]]) -> Network:
    """The network as the run's latest checkpoint has it, in evaluation mode.

    Args:
        run: with a checkpoint.
        kind: the class of its configuration.

    Raises:
        WorkbenchError: the run is of another kind, or has no checkpoint.
    """
    model = kind.from_dict(run.config).network()
    model.load_state_dict(_network_state(run))
    return model.eval()


def parameter_groups(
    network: nn.Module, backbone: nn.Module, config: NetworkConfig[Any]
) -> list[dict[str, Any]]:
    """The backbone at the learning rate, everything new at a multiple of it."""
    pretrained = list(backbone.parameters())
    known = {id(p) for p in pretrained}
    new = [p for p in network.parameters() if id(p) not in known]
    groups = [{"params": new, "lr": config.learning_rate * config.head_multiplier}]
    if not config.frozen:
        groups.append({"params": pretrained, "lr": config.learning_rate})
    return groups


def expected_features(config: NetworkConfig[Any]) -> dict[str, str | float]:
    """What a store of the frozen backbone's features must say of them, to be a network's.

    Raises:
        WorkbenchError: no file says which weights the network has.
    """
    if config.weights is None:
        raise WorkbenchError(
            "the pretrained weights themselves, to read their features from a store",
            "random ones",
            "leave --cache out",
        )
    return config.features | {"weights_sha256": file_digest(Path(config.weights))}


def _network_state(run: Run) -> dict[str, Tensor]:
    """What the checkpoint has of the model, which the task's network holds under that name."""
    state: dict[str, Tensor] = load_checkpoint(run)["network"]
    prefix = "model."
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
