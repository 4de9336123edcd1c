"""From a configuration to a network: fresh, untrained, or as a run left it."""

from dataclasses import replace
from pathlib import Path

import torch

from workbench.models import DeepNCuts, load_weights
from workbench.runs import Run
from workbench.training.checkpoints import load_checkpoint
from workbench.training.config import DeepNCutsConfig


def fresh_model(config: DeepNCutsConfig) -> DeepNCuts:
    """The network before its first step: pretrained backbone where there is one, the rest random.

    Raises:
        WorkbenchError: the weights cannot be read or belong to another network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = DeepNCuts(config.architecture)
    if config.weights is not None:
        load_weights(model.backbone, Path(config.weights))
    return model


def untrained_model(config: DeepNCutsConfig) -> DeepNCuts:
    """The baseline of the paper's table: normalized cuts on the backbone's own features."""
    return fresh_model(replace(config, architecture=replace(config.architecture, head=False)))


def trained_model(run: Run) -> DeepNCuts:
    """The network as the run's latest checkpoint has it, in evaluation mode.

    Raises:
        WorkbenchError: the run has no checkpoint.
    """
    model = DeepNCuts(DeepNCutsConfig.from_dict(run.config).architecture)
    state = load_checkpoint(run)["network"]
    prefix = "model."  # the task's network holds the model under this name
    model.load_state_dict({name.removeprefix(prefix): value for name, value in state.items()})
    return model.eval()
