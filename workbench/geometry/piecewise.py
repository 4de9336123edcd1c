"""Piecewise linear networks, read from torch modules: affine maps, and choices between them.

A choice takes the largest of some linear functions: z and 0 in a ReLU, the entries of a window in a
max-pooling. Between two choices a network is affine, on a whole region: the set in which all
choices are the same is a convex polytope (Montúfar, Pascanu, Cho and Bengio, NIPS 2014, §2).

The forward of a module is traced by `torch.fx`, so that sums of branches, concatenations and
functions are known too. Between two choices the state is one vector: what the next choice acts on,
and behind it every other value that is used later.
"""

import operator
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.functional import pad, unfold

from workbench.errors import WorkbenchError

ABSENT = -1e200
"""Value of a window's entry that lies in the padding: never the largest."""
BLOCK = 4_000_000
"""Numbers of one layer that are held at a time: 32 MB, and a few times that while they change."""
AFFINE_MODULES = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout,
    nn.Dropout2d, nn.ZeroPad2d, nn.Upsample,
)  # fmt: skip
"""Modules that are affine in evaluation mode."""
AFFINE_CALLS = {
    operator.neg, torch.flatten, torch.cat, torch.mean, torch.reshape, functional.avg_pool2d,
    functional.adaptive_avg_pool2d, functional.dropout,
    "flatten", "view", "reshape", "mean", "contiguous", "permute", "transpose", "unsqueeze",
    "squeeze", "size",
}  # fmt: skip
"""Functions and methods that are affine in one input or several."""
SUMS = {operator.add, operator.iadd, operator.sub, operator.isub, torch.add, torch.sub, "add",
        "add_", "sub", "sub_"}  # fmt: skip
PRODUCTS = {operator.mul, operator.imul, operator.truediv, torch.mul, torch.div, "mul", "div"}
"""Operations that are affine where at most one factor depends on the input, and no divisor."""
IN_PLACE = {operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
            "add_": "add", "sub_": "sub"}  # fmt: skip
"""Operations that overwrite a value, and those that do not."""


@dataclass(frozen=True, eq=False)
class Step:
    """Affine map of the state, followed by one layer of choices, or by none at the end.

    Attributes:
        affine: the map, (batch, numbers) → (batch, numbers), float64; what the choice acts on comes
            first, then what only later steps need.
        shape: shape of what the choice acts on; at the end that of the network's output.
        choice: ReLU, leaky ReLU or max-pooling; None after the last one.
        name: name of the choosing module or operation, "" for none.
    """

    affine: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    choice: nn.Module | None = None
    name: str = ""
    _windows: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    @property
    def slope(self) -> float:
        """Slope below zero of a ReLU."""
        return float(getattr(self.choice, "negative_slope", 0.0))

    @property
    def units(self) -> int:
        """Numbers that the choice acts on."""
        return prod(self.shape)

    def size(self, z: Float64[Tensor, "batch before"]) -> int:
        """Numbers that one input is before or after the affine map, whichever are more."""
        return max(z.shape[1], self.affine(z[:1]).shape[1])

    def after(self, z: Float64[Tensor, "batch before"]) -> Float64[Tensor, "batch after"]:
        """State after the choice."""
        assert self.choice is not None
        chosen = self.choice(z[:, : self.units].reshape(-1, *self.shape))
        return torch.cat([chosen.flatten(1), z[:, self.units :]], 1)

    @property
    def pools(self) -> bool:
        """Whether the choice is a max-pooling."""
        return isinstance(self.choice, nn.MaxPool2d)

    def windows(self) -> Int64[Tensor, "windows entries"]:
        """Entries of each window of a max-pooling, as indices of the flattened map; −1: padding."""
        if self.shape not in self._windows:
            pool, (channels, height, width) = self.choice, self.shape
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
            self._windows[self.shape] = torch.where(one >= 0, one + shift, -1).flatten(0, 1)
        return self._windows[self.shape]

    def entries(
        self, z: Float64[Tensor, "batch before"]
    ) -> Float64[Tensor, "batch windows entries"]:
        """Values in each window of a max-pooling; `ABSENT` in the padding."""
        index = self.windows()
        return torch.where(index >= 0, z[:, index.clamp(min=0)], ABSENT)


def steps(model: nn.Module, shape: Sequence[int]) -> tuple[Step, ...]:
    """Affine maps and choices of a network, in float64 and in evaluation mode; a copy of it.

    Args:
        model: linear maps, convolutions, batch norms (their running statistics), average poolings,
            ReLU, leaky ReLU and max-poolings, in a forward that `torch.fx` can trace: sums and
            concatenations of branches, products with constants, reshaping.
        shape: shape of one input, without a batch.

    Raises:
        WorkbenchError: an operation that is not piecewise linear, or a forward that depends on
            values and cannot be traced.
    """
    copied = deepcopy(model).double().eval().requires_grad_(False)
    if not any(True for _ in copied.children()):
        copied = nn.Sequential(copied)
    return _Program(copied, tuple(shape)).steps()


class _Program:
    """Traced forward: the operations in order, and which values depend on the input."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        try:
            self.graph = fx.Tracer().trace(model)
        except Exception as error:  # whatever a forward does with a stand-in for a tensor
            raise WorkbenchError(
                "a forward that torch.fx can trace, without decisions on values",
                f"{type(model).__name__}: {error}",
                "pass the part of the network that is piecewise linear",
            ) from error
        self.model = model
        self.nodes = list(self.graph.nodes)
        self.input = next(node for node in self.nodes if node.op == "placeholder")
        self.depends = {self.input}
        self.choices: dict[fx.Node, tuple[str, nn.Module]] = {}
        for node in self.nodes:
            if self.depends.intersection(node.all_input_nodes):
                self.depends.add(node)
                self._classify(node)
        zero = torch.zeros(1, *shape, dtype=torch.float64)
        self.values = self._run({self.input: zero}, self.nodes)

    def steps(self) -> tuple[Step, ...]:
        """Steps, from each choice to the next."""
        found: list[Step] = []
        state, start = [self.input], 0
        output = self.nodes[-1].args[0]
        for place, node in enumerate(self.nodes):
            if node not in self.choices:
                continue
            into = node.all_input_nodes[0]
            rest = set(self.nodes[place + 1 :])
            known = dict.fromkeys([*state, *self.nodes[start:place]])
            later = [each for each in known if each in self.depends and rest & each.users.keys()]
            affine = self._affine(state, start, place, [into, *later])
            name, choice = self.choices[node]
            found.append(Step(affine, self._shape(into), choice, name))
            state, start = [node, *later], place + 1
        if not isinstance(output, fx.Node):
            raise WorkbenchError("one tensor as the output", f"{output}", "return one of them")
        last = self._affine(state, start, len(self.nodes) - 1, [output])
        return (*found, Step(last, self._shape(output)))

    def _shape(self, node: fx.Node) -> tuple[int, ...]:
        value = self.values[node]
        if not isinstance(value, Tensor):
            raise WorkbenchError(
                "values between two choices that are tensors", f"{node.name}: {value}",
                "write the sizes of a reshape as numbers",
            )  # fmt: skip
        return tuple(value.shape[1:])

    def _affine(
        self, state: list[fx.Node], start: int, stop: int, wanted: list[fx.Node]
    ) -> Callable[[Tensor], Tensor]:
        """Map from the state to the wanted values, each flattened, one behind the other."""
        shapes = [self._shape(node) for node in state]
        sizes = [prod(shape) for shape in shapes]
        operations = self.nodes[start:stop]

        def affine(z: Float64[Tensor, "batch before"]) -> Float64[Tensor, "batch after"]:
            parts = z.split(sizes, 1)
            known = {
                node: part.reshape(-1, *shape)
                for node, part, shape in zip(state, parts, shapes, strict=True)
            }
            values = self._run(known, operations)
            return torch.cat([values[node].flatten(1) for node in wanted], 1)

        return affine

    def _run(self, known: dict[fx.Node, Any], operations: Sequence[fx.Node]) -> dict[fx.Node, Any]:
        """Values of operations, from those that are known; constants are looked up."""
        values = dict(known)
        for node in operations:
            if node in values or node.op == "output":
                continue
            if not self.depends.isdisjoint(node.all_input_nodes) or node.op == "call_module":
                values[node] = self._call(node, values)
        return values

    def _call(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        if node in self.choices:
            return self.choices[node][1](values[node.all_input_nodes[0]])
        arguments = fx.node.map_arg(node.args, lambda each: self._value(each, values))
        options = fx.node.map_arg(node.kwargs, lambda each: self._value(each, values))
        target = IN_PLACE.get(node.target, node.target)
        if node.op == "call_module":
            return self.model.get_submodule(str(target))(*arguments, **options)
        if node.op == "call_method":
            return getattr(arguments[0], str(target))(*arguments[1:], **options)
        assert callable(target)
        return target(*arguments, **options)

    def _value(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """Value of an operand: known, or a constant, which is made of parameters alone."""
        if node not in values:
            values[node] = (
                operator.attrgetter(str(node.target))(self.model)
                if node.op == "get_attr" else self._call(node, values)
            )  # fmt: skip
        return values[node]

    def _classify(self, node: fx.Node) -> None:
        """Record a choice; refuse what is neither a choice nor affine."""
        target = node.target
        name = str(target) if node.op == "call_module" else node.name
        module = self.model.get_submodule(name) if node.op == "call_module" else None
        choice = _choice(node, module)
        if choice is not None:
            _refuse_options(name, choice)
            again = sum(each[0].partition(" (")[0] == name for each in self.choices.values())
            self.choices[node] = (f"{name} ({again + 1})" if again else name), choice
            return
        linear = sum(each in self.depends for each in node.args) <= 1
        by_input = len(node.args) > 1 and node.args[1] in self.depends
        if node.op == "output" or isinstance(module, AFFINE_MODULES) or (
            module is None
            and (
                target in AFFINE_CALLS | SUMS
                or (target in PRODUCTS and linear and not ("div" in name and by_input))
            )
        ):  # fmt: skip
            return
        kind = type(module).__name__ if module is not None else str(target)
        raise WorkbenchError(
            "linear maps, batch norms, poolings, ReLUs, and sums of them",
            f"{name}, a {kind}",
            "count regions of the part before it: another operation is not piecewise linear",
        )


def _choice(node: fx.Node, module: nn.Module | None) -> nn.Module | None:
    """Choosing module of an operation, on a value of its own; None where it does not choose."""
    arguments: tuple[Any, ...] = node.args[1:]
    if isinstance(module, nn.ReLU):
        return nn.ReLU()
    if isinstance(module, nn.LeakyReLU):
        return nn.LeakyReLU(module.negative_slope)
    if isinstance(module, nn.MaxPool2d):
        return module
    if node.target in (functional.relu, torch.relu, "relu", "relu_"):
        return nn.ReLU()
    if node.target is functional.leaky_relu:
        return nn.LeakyReLU(*arguments[:1], **_without_inplace(node.kwargs))
    if node.target is functional.max_pool2d:
        return nn.MaxPool2d(*arguments, **_without_inplace(node.kwargs))
    return None


def _without_inplace(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("inplace", "input")}


def _refuse_options(name: str, module: nn.Module) -> None:
    if isinstance(module, nn.MaxPool2d) and (module.ceil_mode or module.return_indices):
        raise WorkbenchError(
            "a max-pooling whose windows lie inside of the padded map",
            f"{name} with ceil_mode or return_indices",
            "pad the map instead",
        )
