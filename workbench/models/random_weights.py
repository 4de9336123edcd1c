"""Random weights for any architecture: copies of modules, initialised after He et al. (2015).

Weights of linear maps and convolutions are drawn from N(0, 2/fan-in), their biases are 0; modules
with a `reset_parameters` of their own (normalisations) are reset. All other parameters are kept.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError

Module = TypeVar("Module", bound=nn.Module)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LINEAR_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """Copy of a module with random weights; the global random state is left as it was.

    Args:
        model: any module with linear maps or convolutions; it is not changed.
        seed: seed of the draw; equal seeds give equal weights.

    Raises:
        WorkbenchError: no linear map and no convolution in it.
    """
    copy = deepcopy(model)
    maps = [module for module in copy.modules() if isinstance(module, LINEAR_MAPS)]
    if not maps:
        raise WorkbenchError(
            "a network with linear maps or convolutions",
            f"{type(model).__name__} without one",
            'leave out beside="random"',
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in copy.modules():
            if isinstance(module, LINEAR_MAPS):
                drawn = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(drawn * (2 / module.weight[0].numel()) ** 0.5)
                if module.bias is not None:
                    module.bias.zero_()
            elif hasattr(module, "reset_parameters"):
                reset: Any = module.reset_parameters
                reset()
    return copy


def with_batch_statistics(model: Module, batches: Iterable[Tensor]) -> Module:
    """Copy of a module whose batch normalisations have the statistics of some batches.

    Random weights come without statistics: before its first step a network in evaluation mode
    would normalise by mean 0 and deviation 1, which are not those of its maps.

    Args:
        model: any module; it is not changed.
        batches: inputs, on the module's device; all count alike.

    Returns:
        The copy, in evaluation mode.
    """
    copy = deepcopy(model).train()
    for module in copy.modules():
        if isinstance(module, BATCH_NORMS):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for batch in batches:
            copy(batch)
    return copy.eval()
