"""Places of a layer's cells in the image: stride and offset of their grid, in pixels.

Strides and paddings of convolutions decide where cells lie, which shapes do not show
(ResNet's last cells lie half a stride off an even division of the image). They are measured: the
gradient of a cell's features for a random image is strongest around the cell's place, and its
centre of mass is that place. With positive weights in place of the network's own the gradient has
no cancellations, and two cells suffice; where this gives no regular grid (normalisations over
channels, activations that end), random directions through the network's own weights do, several
for each of three cells. Tokens of patches divide the image evenly.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from workbench.probe.capture import Capture
from workbench.segmentation import Grid

_DRAWS = 4
"""Number of random directions in feature space for each cell, with the network's own weights."""
_REGULAR = 0.06
"""Largest spread of the measured places about a regular grid, in strides, that is trusted."""
_NEAR_POWER, _NEAR_INTEGER = 0.12, 0.05
"""Relative distance within which a measured stride is taken for a power of two, or an integer."""


@dataclass(frozen=True)
class Places:
    """Grid of a layer's cells.

    Attributes:
        grid: stride and offset, pixels of the network's input.
        how: origin: "measured", "even" (a division of the image) or "given".
        spread: standard deviation of the measured places about the grid, pixels; 0 otherwise.
    """

    grid: Grid
    how: str
    spread: float = 0.0


def even_places(shape: tuple[int, int], size: tuple[int, int]) -> Places:
    """Places of cells that divide an image evenly.

    Args:
        shape: rows and columns of the cells.
        size: rows and columns of the input, pixels.
    """
    stride = (size[0] / shape[0] + size[1] / shape[1]) / 2
    return Places(Grid(stride, (stride - 1) / 2), "even")


def measured_places(
    model: nn.Module,
    capture: Capture,
    name: str,
    size: tuple[int, int],
    maps_of: Callable[[Tensor], Tensor],
    seed: int = 0,
) -> Places:
    """Places of the cells of a layer of maps.

    Args:
        model: network in evaluation mode.
        capture: capture of the layer, active.
        name: name of the layer.
        size: rows and columns of the input, pixels.
        maps_of: function from the layer's output to (batch, channels, rows, columns).
        seed: seed of the random image and directions.

    Returns:
        Measured places; an even division where there is no gradient (dead units, an operation
        without one) or a single cell.
    """
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    dtype = torch.float32 if parameter is None else parameter.dtype
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, *size, generator=random).to(device, dtype).requires_grad_()
    even: Places | None = None
    for weights, draws in ((_positive(model, random), 1), ({}, _DRAWS)):
        smooth = _average_pooling(model) if weights else nullcontext()
        with torch.enable_grad(), _no_parameter_gradients(model), smooth:
            capture.clear()
            functional_call(model, weights, (image,))
            maps = maps_of(capture.outputs[name])
            rows, columns = maps.shape[2:]
            even = even_places((rows, columns), size)
            if min(rows, columns) < 3 or not maps.requires_grad:
                return even
            cells = _cells(rows, columns, middle=not weights)
            found = [_centre(maps, cell, image, random, draws) for cell in cells]
        places = _regular(cells, found, even.grid.stride)
        if places is not None and (not weights or places.spread <= _REGULAR * places.grid.stride):
            return places
    assert even is not None
    return even


def _cells(rows: int, columns: int, middle: bool) -> list[tuple[int, int]]:
    """Two cells that mirror each other in the image's centre, and with `middle` one between."""
    step = max(1, min(rows, columns) // 4)
    first = ((rows - 1) // 2 - step + 1, (columns - 1) // 2 - step + 1)
    first = (max(first[0], 0), max(first[1], 0))
    last = (rows - 1 - first[0], columns - 1 - first[1])
    return [first, *[(rows // 2, columns // 2)] * middle, last]


def _regular(
    cells: list[tuple[int, int]], found: list[tuple[float, float] | None], even: float
) -> Places | None:
    """Regular grid through measured places; None where a cell has none."""
    if any(place is None for place in found):
        return None
    places = torch.tensor([place for place in found if place is not None], dtype=torch.float64)
    indices = torch.tensor(cells, dtype=torch.float64)
    measured = float(((places[-1] - places[0]) / (indices[-1] - indices[0])).mean())
    stride = usual_stride(measured, even)
    # A cell near a border sees less beyond it: the errors of mirrored cells are opposite.
    offsets = (places - stride * indices)[[0, -1]].mean(0)
    spread = float((places - stride * indices).std())
    return Places(Grid(stride, round(2 * float(offsets.mean())) / 2), "measured", spread)


@contextmanager
def _average_pooling(model: nn.Module) -> Iterator[None]:
    """Context in which modules of maximum pooling take means: maxima follow the image's slopes."""

    def mean(module: nn.MaxPool2d, inputs: tuple[Tensor, ...], output: Any) -> Tensor:
        return functional.avg_pool2d(
            inputs[0], module.kernel_size, module.stride, module.padding, module.ceil_mode, False
        )

    hooks = [
        module.register_forward_hook(mean, prepend=True)
        for module in model.modules()
        if isinstance(module, nn.MaxPool2d) and module.dilation in (1, (1, 1))
        if not module.return_indices
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _positive(model: nn.Module, random: torch.Generator) -> dict[str, Tensor]:
    """Parameters and statistics of a network of the same architecture with positive weights."""
    found: dict[str, Tensor] = {}
    for name, each in model.named_parameters():
        if each.dim() > 1:
            values = torch.rand(each.shape, generator=random) + 0.5
            found[name] = (values / values[0].numel()).to(each)
        else:
            found[name] = torch.zeros_like(each) if "bias" in name else torch.ones_like(each)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            found[name] = torch.full_like(buffer, float(name.endswith("var")))
    return found


def usual_stride(measured: float, even: float) -> float:
    """Stride of a grid from its measurement: strides multiply, and are mostly powers of two.

    Args:
        measured: measured stride, pixels.
        even: stride of an even division of the image; taken where the measurement is far from it,
            as it is where cells see beyond the image's borders.
    """
    if not even / 1.35 <= measured <= even * 1.35:
        measured = even
    power = 2.0 ** round(math.log2(measured))
    if abs(measured / power - 1) <= _NEAR_POWER:
        return power
    whole = float(max(1, round(measured)))
    return whole if abs(measured / whole - 1) <= _NEAR_INTEGER else measured


def _centre(
    maps: Tensor, cell: tuple[int, int], image: Tensor, random: torch.Generator, draws: int
) -> tuple[float, float] | None:
    """Centre of mass of the squared gradient of a cell's features, pixels; None without any."""
    features = maps[0, :, cell[0], cell[1]]
    energy = torch.zeros(image.shape[2:], dtype=torch.float64)
    for _ in range(draws):
        direction = torch.ones_like(features)  # of positive weights: nothing cancels
        if draws > 1:
            direction = torch.randn(features.shape, generator=random).to(features)
        (gradient,) = torch.autograd.grad(features, image, direction, retain_graph=True)
        energy += gradient[0].double().square().sum(0).cpu()
    total = float(energy.sum())
    if not 0 < total < float("inf"):
        return None
    y = torch.arange(energy.shape[0], dtype=torch.float64)
    x = torch.arange(energy.shape[1], dtype=torch.float64)
    return float(energy.sum(1) @ y) / total, float(energy.sum(0) @ x) / total


class _no_parameter_gradients:  # noqa: N801 - reads as a context
    """Context in which parameters have no gradients; their state is restored at its end."""

    def __init__(self, model: nn.Module) -> None:
        self._wanted = [p for p in model.parameters() if p.requires_grad]

    def __enter__(self) -> None:
        for parameter in self._wanted:
            parameter.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        for parameter in self._wanted:
            parameter.requires_grad_(True)
