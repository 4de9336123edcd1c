"""Piecewise linear networks, read from torch modules: affine maps, and choices between them.

A choice takes the largest of some linear functions: z and 0 in a ReLU, the entries of a window in a
max-pooling. Between two choices a network is affine, on a whole region: the set in which all
choices are the same is a convex polytope (Montúfar, Pascanu, Cho and Bengio, NIPS 2014, §2).
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from workbench.errors import WorkbenchError

ABSENT = -1e200
"""Value of a window's entry that lies in the padding: never the largest."""
BLOCK = 4_000_000
"""Numbers of one layer that are held at a time: 32 MB, and a few times that while they change."""
Affine = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.AvgPool2d,
    nn.AdaptiveAvgPool2d, nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d,
    nn.ZeroPad2d,
)  # fmt: skip
"""Modules that are affine in evaluation mode."""


@dataclass(frozen=True, eq=False)
class Step:
    """Affine map, followed by one layer of choices, or by none at the end.

    Attributes:
        affine: the map, (batch, *shape in) → (batch, *shape out), float64.
        choice: ReLU, leaky ReLU or max-pooling; None after the last one.
        name: name of the choosing module, "" for none.
    """

    affine: Callable[[Tensor], Tensor]
    choice: nn.Module | None = None
    name: str = ""
    _windows: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    def slope(self) -> float:
        """Slope below zero of a ReLU."""
        return float(getattr(self.choice, "negative_slope", 0.0))

    def size(self, z: Float64[Tensor, "batch *shape"]) -> int:
        """Numbers that one input is before or after the affine map, whichever are more."""
        return max(z[0].numel(), self.affine(z[:1]).numel())

    @property
    def pools(self) -> bool:
        """Whether the choice is a max-pooling."""
        return isinstance(self.choice, nn.MaxPool2d)

    def windows(self, shape: tuple[int, ...]) -> Int64[Tensor, "windows entries"]:
        """Entries of each window of a max-pooling, as indices of the flattened map; −1 for padding.

        Args:
            shape: (channels, height, width) of the map.
        """
        if shape not in self._windows:
            pool, (channels, height, width) = self.choice, shape
            assert isinstance(pool, nn.MaxPool2d)
            kernel, stride, padding, dilation = (
                (each, each) if isinstance(each, int) else each
                for each in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
            )
            index = torch.arange(height * width, dtype=torch.float64).reshape(1, 1, height, width)
            rows, columns = padding
            padded = pad(index + 1, (columns, columns, rows, rows))
            one = unfold(padded, kernel, dilation, stride=stride)[0].T.long() - 1
            shift = torch.arange(channels)[:, None, None] * (height * width)
            self._windows[shape] = torch.where(one >= 0, one + shift, -1).flatten(0, 1)
        return self._windows[shape]

    def entries(
        self, z: Float64[Tensor, "batch *shape"]
    ) -> Float64[Tensor, "batch windows entries"]:
        """Values in each window of a max-pooling; `ABSENT` in the padding."""
        index = self.windows(tuple(z.shape[1:]))
        return torch.where(index >= 0, z.flatten(1)[:, index.clamp(min=0)], ABSENT)


def steps(model: nn.Module) -> tuple[Step, ...]:
    """Affine maps and choices of a network, in float64 and in evaluation mode; a copy of it.

    Args:
        model: linear maps, convolutions, batch norms (their running statistics), average poolings,
            ReLU, leaky ReLU and max-poolings, in `nn.Sequential`s, nested or not.

    Raises:
        WorkbenchError: a module that is not piecewise linear, or not in a sequence.
    """
    copied = deepcopy(model).double().eval().requires_grad_(False)
    found: list[Step] = []
    affine: list[nn.Module] = []
    for name, module in _leaves("", copied):
        if isinstance(module, Affine):
            affine.append(module)
        elif isinstance(module, nn.ReLU | nn.LeakyReLU | nn.MaxPool2d):
            _refuse_options(name, module)
            found.append(Step(nn.Sequential(*affine), module, name))
            affine = []
        else:
            raise WorkbenchError(
                "linear maps, batch norms, poolings and ReLUs in a Sequential",
                f"{name or 'the model'}, a {type(module).__name__}",
                "put the layers of a forward in a Sequential, and count up to a smooth activation",
            )
    return (*found, Step(nn.Sequential(*affine)))


def _refuse_options(name: str, module: nn.Module) -> None:
    if isinstance(module, nn.MaxPool2d) and (module.ceil_mode or module.return_indices):
        raise WorkbenchError(
            "a max-pooling whose windows lie inside of the padded map",
            f"{name} with ceil_mode or return_indices",
            "pad the map instead",
        )


def _leaves(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for child, each in module.named_children():
            yield from _leaves(f"{name}.{child}" if name else child, each)
    else:
        yield name, module
