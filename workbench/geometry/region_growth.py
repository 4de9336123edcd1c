"""Growth of the number of linear regions with depth, at equal numbers of parameters.

Sources: see `linear_regions`, which counts them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
import torch
from torch import nn

from workbench.errors import WorkbenchError
from workbench.geometry.linear_regions import count_on_line


@dataclass(frozen=True)
class Growth:
    """Regions along segments, of networks of one depth.

    Attributes:
        depth: hidden layers.
        width: units in each.
        parameters: weights and biases in all.
        units: depth · width.
        regions: mean number of regions along a segment.
        error: its standard error over networks.
    """

    depth: int
    width: int
    parameters: int
    units: int
    regions: float
    error: float


def multilayer(inputs: int, width: int, depth: int) -> nn.Sequential:
    """Network inputs → width, depth times, with ReLU → 1, in float64, as torch draws it."""
    sizes = [inputs, *[width] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1)).double()


def growth(
    depths: Sequence[int] = (1, 2, 4, 8),
    parameters: int = 20_000,
    inputs: int = 32,
    seed: int = 0,
    networks: int = 4,
    segments: int = 4,
    bias: float = 0.1,
    prepare: Callable[[nn.Sequential], object] | None = None,
) -> tuple[Growth, ...]:
    """Regions along segments as depth grows and the number of parameters does not.

    Weights are N(0, 2/fan-in), biases N(0, bias²). The sources' "exponentially many" is about the
    best that weights can do; random networks have about as many breakpoints as units, and a deeper
    one of the same size has fewer units.

    Args:
        depths: numbers of hidden layers.
        parameters: number that each network has, as nearly as its width allows.
        inputs: number of inputs.
        seed: seed of weights and segments; torch's own generator is left as it was.
        networks: networks of each depth.
        segments: segments of each network, between two standard Gaussian points.
        bias: standard deviation of the biases.
        prepare: called with each network before it is counted: trains it, for example.

    Raises:
        WorkbenchError: too few parameters for a depth.
    """
    rows = []
    for depth in depths:
        width = _width(parameters, inputs, depth)
        counts = [
            _mean_count(inputs, width, depth, [seed, depth, index], segments, bias, prepare)
            for index in range(networks)
        ]
        model = multilayer(inputs, width, depth)
        size = sum(each.numel() for each in model.parameters())
        error = float(np.std(counts, ddof=1) / sqrt(networks)) if networks > 1 else float("nan")
        rows.append(Growth(depth, width, size, depth * width, float(np.mean(counts)), error))
    return tuple(rows)


def _width(parameters: int, inputs: int, depth: int) -> int:
    """Width w with (depth − 1)w² + (inputs + depth + 1)w + 1 nearest to the number asked for."""
    a, b = depth - 1, inputs + depth + 1
    free = parameters - 1
    width = round(free / b if a == 0 else (sqrt(b * b + 4 * a * free) - b) / (2 * a))
    if depth < 1 or width < 1:
        raise WorkbenchError(
            "at least one hidden layer of one unit",
            f"depth {depth} with {parameters} parameters and {inputs} inputs",
            "allow more parameters, or fewer inputs or layers",
        )
    return width


def _mean_count(
    inputs: int,
    width: int,
    depth: int,
    seed: list[int],
    segments: int,
    bias: float,
    prepare: Callable[[nn.Sequential], object] | None,
) -> float:
    """Mean number of regions along segments of one network, drawn by its own generator."""
    draws = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        model = multilayer(inputs, width, depth)
    for module in model:
        if isinstance(module, nn.Linear):
            shape = tuple(module.weight.shape)
            weight = draws.standard_normal(shape) * sqrt(2 / shape[1])
            module.weight.data = torch.from_numpy(weight)
            module.bias.data = torch.from_numpy(draws.standard_normal(shape[0]) * bias)
    if prepare is not None:
        prepare(model)
    ends = draws.standard_normal((segments, 2, inputs))
    return float(np.mean([count_on_line(model, a, b).count for a, b in ends]))
