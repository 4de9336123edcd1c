"""Layers of any torch module, by name: listed with their output shapes, and captured by hooks.

A layer is a submodule, named as `named_modules` has it ("blocks.9", "features.29"). Its output is
taken by a forward hook, so the model may be anything that runs: no tracing, no change to its code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from workbench.errors import WorkbenchError

Select = Callable[[Any], Tensor]
"""Function from a module's output to its tensor of features."""


@dataclass(frozen=True)
class Layer:
    """Layer that can be probed.

    Attributes:
        name: name in `named_modules`.
        module: name of the class.
        output: shape of the output tensor, or the types and shapes of a composed output.
        layout: "maps" (batch, channels, rows, columns), "tokens" (batch, tokens, features),
            "vectors" (batch, features) or "other".
        calls: number of runs in one forward pass.
    """

    name: str
    module: str
    output: str
    layout: str
    calls: int


class LayerList(list[Layer]):
    """Layers as a table, in the order in which they first ran."""

    _HEADER = ("layer", "module", "output", "layout", "runs")

    def _rows(self) -> list[tuple[str, ...]]:
        return [(e.name, e.module, e.output, e.layout, str(e.calls)) for e in self]

    def __repr__(self) -> str:
        rows = [self._HEADER, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def list_layers(model: nn.Module, batch: Tensor) -> LayerList:
    """Layers that run in a forward pass, with the shapes of their outputs.

    Args:
        model: any module; its mode is not changed.
        batch: (batch, 3, rows, columns) input of the model, on its device.
    """
    found: dict[str, Layer] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, _: Any, output: Any) -> None:
            before = found.get(name)
            calls = 1 if before is None else before.calls + 1
            tensor = only_tensor(output)
            layout = "other" if tensor is None else layout_of(tensor)
            found[name] = Layer(name, type(module).__name__, describe(output), layout, calls)

        return note

    handles = [m.register_forward_hook(hook(name)) for name, m in model.named_modules() if name]
    try:
        with torch.inference_mode():
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return LayerList(found.values())


def layout_of(output: Tensor) -> str:
    """Layout of an output by its number of dimensions, see `Layer`."""
    return {4: "maps", 3: "tokens", 2: "vectors"}.get(output.dim(), "other")


def require_evaluation(model: nn.Module) -> None:
    """Require a network in evaluation mode.

    Raises:
        WorkbenchError: a module is in training mode.
    """
    if any(module.training for module in model.modules()):
        raise WorkbenchError(
            "a network in evaluation mode",
            "a module in training mode (dropout and batch statistics would blur its features)",
            "call model.eval() first",
        )


def named_layers(model: nn.Module, patterns: str | Sequence[str]) -> list[str]:
    """Names of the submodules that patterns select, in the model's order.

    Args:
        model: any module.
        patterns: names, or patterns with wildcards between the dots ("blocks.*.mlp", "layer[34]").

    Raises:
        WorkbenchError: a pattern selects nothing; the message offers the nearest names.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    names = [name for name, _ in model.named_modules() if name]
    chosen: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if _matches(name, pattern)}
        if not hits:
            near = get_close_matches(pattern, names, n=5, cutoff=0.4)
            raise WorkbenchError(
                f"a layer of {type(model).__name__}",
                f"none called {pattern!r}",
                f"name one of: {', '.join(near or names[:5])}; probe.layers(model) lists them all",
            )
        chosen |= hits
    if not chosen:
        raise WorkbenchError("at least one layer", "none", "name one; probe.layers(model) lists")
    return [name for name in names if name in chosen]


def _matches(name: str, pattern: str) -> bool:
    """Whether each part of a name between its dots matches that of a pattern, as file names do."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


class _AllReached(Exception):
    """All wanted layers have run: the way out of a forward pass, not a failure."""


class Capture:
    """Outputs of layers during forward passes, by name; as a context manager.

    Args:
        model: any module.
        names: names of its layers.
        select: function from a module's output to its tensor, where that is not one tensor.
        call: index of the run that counts of several in one pass (−1: the last); None: a layer must
            run once.

    Attributes:
        outputs: outputs of the last forward pass since `clear`, by layer.
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        select: Select | None = None,
        call: int | None = None,
    ) -> None:
        self.names, self.select, self.call = list(names), select, call
        self._modules = {name: model.get_submodule(name) for name in names}
        self._runs: dict[str, list[Any]] = {name: [] for name in names}
        self._model, self._stops = model, False
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "Capture":
        self._handles = [
            module.register_forward_hook(self._hook(name)) for name, module in self._modules.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def clear(self) -> None:
        """Forget captured outputs; to be called before every forward pass."""
        for runs in self._runs.values():
            runs.clear()

    def until_reached(self, batch: Tensor) -> dict[str, Tensor]:
        """Outputs by layer, of a forward pass that ends as soon as all layers have run.

        Layers behind them are not computed. A last run (`call` below 0) needs the whole pass.

        Args:
            batch: input of the model, on its device.

        Raises:
            WorkbenchError: see `outputs`.
        """
        self.clear()
        self._stops = self.call is None or self.call >= 0
        try:
            self._model(batch)
        except _AllReached:
            pass
        finally:
            self._stops = False
        return self.outputs

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, _: Any, output: Any) -> None:
            found = only_tensor(output) if self.select is None else self.select(output)
            # A copy: an activation that works in place would overwrite the output of its layer.
            self._runs[name].append(found.clone() if isinstance(found, Tensor) else output)
            if self._stops and all(len(runs) > (self.call or 0) for runs in self._runs.values()):
                raise _AllReached

        return keep

    @property
    def outputs(self) -> dict[str, Tensor]:
        """Tensors by layer.

        Raises:
            WorkbenchError: a layer did not run, ran several times where `call` says nothing, or its
                output is not one tensor and `select` is missing.
        """
        return {name: self._output(name) for name in self.names}

    def _output(self, name: str) -> Tensor:
        runs = self._runs[name]
        if not runs:
            raise WorkbenchError(
                f"a layer that runs in the forward pass, {name}",
                "one that does not (its parent may call its parts, or skip it)",
                "name another; probe.layers(model) lists those that run",
            )
        if len(runs) > 1 and self.call is None:
            raise WorkbenchError(
                f"a layer that runs once in a forward pass, {name}",
                f"one that runs {len(runs)} times",
                f"say which run counts: call=0 … {len(runs) - 1}",
            )
        try:
            found = runs[self.call or 0]
        except IndexError:
            raise WorkbenchError(
                f"run {self.call} of {name}",
                f"{len(runs)} runs in a forward pass",
                f"give call=0 … {len(runs) - 1}",
            ) from None
        if not isinstance(found, Tensor):
            given = "" if self.select is None else ", of which the function made no tensor"
            raise WorkbenchError(
                f"a tensor as the output of {name}",
                describe(found) + given,
                "give output=lambda out: …, which takes the tensor from it",
            )
        return found


def only_tensor(output: Any) -> Tensor | None:
    """Tensor that an output is, or the only one in it; None where there is none, or several."""
    if isinstance(output, Tensor):
        return output
    held = [part for _, part in _parts(output) if isinstance(part, Tensor)]
    return held[0] if len(held) == 1 else None


def describe(output: Any) -> str:
    """Type and shapes of an output, in words."""
    if isinstance(output, Tensor):
        return "×".join(map(str, output.shape))
    inner = ", ".join(f"{name}: {describe(part)}" for name, part in _parts(output))
    return f"{type(output).__name__}({inner})"


def _parts(output: Any) -> Iterator[tuple[str, Any]]:
    """Parts of a tuple, a mapping or a dataclass by name; parts that are None are left out."""
    pairs: list[tuple[str, Any]] = []
    if isinstance(output, Mapping):
        pairs = [(str(name), part) for name, part in output.items()]
    elif isinstance(output, tuple | list):
        pairs = [(str(number), part) for number, part in enumerate(output)]
    elif is_dataclass(output):
        pairs = [(field.name, getattr(output, field.name)) for field in fields(output)]
    yield from ((name, part) for name, part in pairs if part is not None)
