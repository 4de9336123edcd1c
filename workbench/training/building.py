"""From a configuration to a network: fresh, untrained, or as a run left it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from workbench.models import DeepNCuts, load_weights
from workbench.models.regions import RegionNetwork
from workbench.runs import Run
from workbench.training.checkpoints import load_checkpoint
from workbench.training.config import DeepNCutsConfig
from workbench.training.region_config import RegionConfig

Network = TypeVar("Network", DeepNCuts, RegionNetwork)


def fresh_model(config: DeepNCutsConfig) -> DeepNCuts:
    """The network before its first step: as a run left it, or pretrained with new layers.

    Raises:
        WorkbenchError: the weights cannot be read or belong to another network.
    """
    return _begun(partial(DeepNCuts, config.architecture), config)


def fresh_region_model(config: RegionConfig) -> RegionNetwork:
    """A region classifier, as `fresh_model` has it."""
    return _begun(partial(RegionNetwork, config.architecture), config)


def untrained_model(config: DeepNCutsConfig) -> DeepNCuts:
    """The baseline of the paper's table: normalized cuts on the deepest tap's own features."""
    architecture = replace(
        config.architecture, head="none", taps=config.architecture.taps[-1:], learn_coupling=False
    )
    return fresh_model(replace(config, architecture=architecture, start=None))


def trained_model(run: Run) -> DeepNCuts:
    """The network as the run's latest checkpoint has it, in evaluation mode.

    Raises:
        WorkbenchError: the run has no checkpoint.
    """
    return _as_left(DeepNCuts(DeepNCutsConfig.from_dict(run.config).architecture), run)


def trained_region_model(run: Run) -> RegionNetwork:
    """A region classifier, as `trained_model` has it."""
    return _as_left(RegionNetwork(RegionConfig.from_dict(run.config).architecture), run)


def _begun(make: Callable[[], Network], config: DeepNCutsConfig | RegionConfig) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = make()
    if config.start is not None:
        model.load_state_dict(_network_state(Run.open(config.start)))
    elif config.weights is not None:
        load_weights(model.backbone, Path(config.weights))
    return model


def _as_left(model: Network, run: Run) -> Network:
    model.load_state_dict(_network_state(run))
    return model.eval()


def _network_state(run: Run) -> dict[str, Tensor]:
    """What the checkpoint has of the model, which the task's network holds under that name."""
    state: dict[str, Tensor] = load_checkpoint(run)["network"]
    prefix = "model."
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
