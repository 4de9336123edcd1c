"""Pooling of a network replaced: average, maximum, or subsampling alone; sizes stay.

What pooling does to a layer is seen beside the same weights with another pooling. Only modules can
be replaced: a pooling that `forward` calls as a function is not seen.
"""

from copy import deepcopy
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError

Pooling = Literal["given", "average", "maximum", "none"]
"""Kinds: the network's own, means of the windows, their maxima, or their middle values alone."""
Pair = tuple[int, int]
ADAPTIVE = (
    nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.FractionalMaxPool2d, nn.LPPool2d,
)  # fmt: skip


class Subsampling(nn.Module):
    """Pooling without pooling: the middle value of each window, so that sizes stay.

    Args:
        kernel, stride, padding: of the windows, along rows and columns.
        ceil_mode: whether the last window may reach beyond the padding.
    """

    def __init__(self, kernel: Pair, stride: Pair, padding: Pair, *, ceil_mode: bool) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.ceil_mode = ceil_mode

    def forward(
        self, maps: Float[Tensor, "*batch height width"]
    ) -> Float[Tensor, "*batch rows columns"]:
        """Values at the windows' middles; in windows of even side the middle below and right."""
        sides = maps.shape[-2:]
        pooled = nn.functional.max_pool2d(
            torch.empty(1, *sides, device="meta"), self.kernel, self.stride, self.padding,
            ceil_mode=self.ceil_mode,
        )  # fmt: skip
        rows, columns = (
            (self.kernel[i] // 2 - self.padding[i] + self.stride[i] * torch.arange(count)).clamp(
                max=sides[i] - 1
            )
            for i, count in enumerate(pooled.shape[-2:])
        )
        return maps[..., rows[:, None].to(maps.device), columns.to(maps.device)]


def poolings(model: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the pooling modules that can be replaced, and of those that are left as they are.

    Left are adaptive, fractional and power-average pooling, whose windows have no stride of their
    own or no counterpart.
    """
    named = list(model.named_modules(remove_duplicate=False))
    return (
        [name for name, module in named if isinstance(module, nn.MaxPool2d | nn.AvgPool2d)],
        [name for name, module in named if isinstance(module, ADAPTIVE)],
    )


def with_pooling(model: nn.Module, kind: Pooling) -> nn.Module:
    """Copy of a network with another pooling in place of its maximum and average pooling.

    Windows, strides and sizes of the maps stay; padding does not count in means. Adaptive pooling
    is left as it is, see `poolings`.

    Args:
        model: any module; it is not changed.
        kind: "given": a plain copy; "average", "maximum"; "none": subsampling of the same stride.

    Raises:
        WorkbenchError: another kind; nothing to replace; pooling that is dilated or returns
            indices.
    """
    if kind not in ("given", "average", "maximum", "none"):
        raise WorkbenchError(
            "a pooling: given, average, maximum or none", repr(kind), "name one of them"
        )
    copy = deepcopy(model)
    names, left = poolings(copy)
    if kind == "given":
        return copy
    if not names:
        raise WorkbenchError(
            "a network with modules nn.MaxPool2d or nn.AvgPool2d",
            f"{type(model).__name__} without one"
            + f" ({', '.join(left)} is adaptive)" * bool(left),
            'ask for pooling "given" alone',
        )
    for name in names:
        own = copy.get_submodule(name)
        assert isinstance(own, nn.MaxPool2d | nn.AvgPool2d)
        new = _replaced(own, kind, name or type(model).__name__).train(own.training)
        if not name:
            return new
        parent, _, child = name.rpartition(".")
        setattr(copy.get_submodule(parent), child, new)
    return copy


def _replaced(own: nn.MaxPool2d | nn.AvgPool2d, kind: Pooling, name: str) -> nn.Module:
    unusual = [
        f"{option} {value}"
        for option, usual in (("return_indices", (False,)), ("dilation", (1, (1, 1))))
        if (value := getattr(own, option, usual[0])) not in usual
    ]
    if unusual:
        raise WorkbenchError(
            "pooling of dense windows whose output is one map",
            f"{name} with {' and '.join(unusual)}",
            'ask for pooling "given" alone',
        )
    kernel, stride, padding = (
        (side, side) if isinstance(side, int) else (side[0], side[1])
        for side in (own.kernel_size, own.stride, own.padding)
    )
    if kind == "none":
        return Subsampling(kernel, stride, padding, ceil_mode=own.ceil_mode)
    if kind == "maximum":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=own.ceil_mode)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode=own.ceil_mode, count_include_pad=False)
