"""Random weights for any architecture: a copy of a module, initialised after He et al. (2015).

Weights of linear maps and convolutions are drawn from N(0, 2/fan-in), their biases are 0; modules
with a `reset_parameters` of their own (normalisations) are reset. All other parameters are kept.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from workbench.errors import WorkbenchError

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
