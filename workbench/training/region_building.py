"""From a configuration to a region classifier: fresh, or as a run left it."""

from pathlib import Path

import torch

from workbench.models import load_weights
from workbench.models.regions import RegionNetwork
from workbench.runs import Run
from workbench.training.building import network_state
from workbench.training.region_config import RegionConfig


def fresh_region_model(config: RegionConfig) -> RegionNetwork:
    """The network before its first step: as a run left it, or pretrained with new layers.

    Raises:
        WorkbenchError: the weights cannot be read or belong to another network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = RegionNetwork(config.architecture)
    if config.start is not None:
        model.load_state_dict(network_state(Run.open(config.start)))
    elif config.weights is not None:
        load_weights(model.backbone, Path(config.weights))
    return model


def trained_region_model(run: Run) -> RegionNetwork:
    """The network as the run's latest checkpoint has it, in evaluation mode.

    Raises:
        WorkbenchError: the run has no checkpoint.
    """
    model = RegionNetwork(RegionConfig.from_dict(run.config).architecture)
    model.load_state_dict(network_state(run))
    return model.eval()
