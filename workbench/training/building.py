"""Networks of a configuration: fresh ones, trained ones, and the learning rates of their parts."""

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
    """Network before its first step: from another run, or pretrained with new layers.

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
    """Network of the run's latest checkpoint, in evaluation mode.

    Args:
        run: run with a checkpoint.
        kind: class of the run's configuration.

    Raises:
        WorkbenchError: the run is of another kind, or has no checkpoint.
    """
    model = kind.from_dict(run.config).network()
    model.load_state_dict(_network_state(run))
    return model.eval()


def parameter_groups(
    network: nn.Module, backbone: nn.Module, config: NetworkConfig[Any]
) -> list[dict[str, Any]]:
    """Parameter groups: the backbone at the learning rate, new layers at a multiple of it."""
    pretrained = list(backbone.parameters())
    known = {id(p) for p in pretrained}
    new = [p for p in network.parameters() if id(p) not in known]
    groups = [{"params": new, "lr": config.learning_rate * config.head_multiplier}]
    if not config.frozen:
        groups.append({"params": pretrained, "lr": config.learning_rate})
    return groups


def expected_features(config: NetworkConfig[Any]) -> dict[str, str | float]:
    """Attributes that a store of the frozen backbone's features must have to fit the network.

    Raises:
        WorkbenchError: the configuration has no file of pretrained weights.
    """
    if config.weights is None:
        raise WorkbenchError(
            "the pretrained weights themselves, to read their features from a store",
            "random ones",
            "leave --cache out",
        )
    return config.features | {"weights_sha256": file_digest(Path(config.weights))}


def _network_state(run: Run) -> dict[str, Tensor]:
    """State of the model in the checkpoint, where the task's network holds it as `model`."""
    state: dict[str, Tensor] = load_checkpoint(run)["network"]
    prefix = "model."
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
