"""Networks by name: `package.module:function`, called without arguments, and its checkpoint."""

import pickle
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench.errors import WorkbenchError

_NESTED = ("state_dict", "model_state_dict", "model", "network")
"""Keys under which training scripts keep a state dict in a checkpoint."""
_SHOWN = 3


def network_of(spec: str, checkpoint: Path | None = None) -> nn.Module:
    """Network that a specification builds, in evaluation mode.

    Args:
        spec: `package.module:function`, where the function gives a `torch.nn.Module`; modules are
            found in the working directory too.
        checkpoint: state dict to load, .safetensors or .pt/.pth of tensors alone.

    Raises:
        WorkbenchError: there is no such module or function, it gives something else, or the
            checkpoint is another network's.
    """
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise WorkbenchError(
            "a network as package.module:function", repr(spec), "name what builds it"
        )
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        build: Any = import_module(module)
        for part in name.split("."):
            build = getattr(build, part)
    except (ImportError, AttributeError) as error:
        raise WorkbenchError(
            f"something called {name} in {module}", f"{error}", "correct the name, or install it"
        ) from error
    made = build if isinstance(build, nn.Module) else build()
    if not isinstance(made, nn.Module):
        raise WorkbenchError(
            f"a torch.nn.Module from {spec}", f"{type(made).__name__}", "have it return the network"
        )
    if checkpoint is not None:
        load_checkpoint(made, checkpoint)
    return made.eval()


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Load a state dict into a network; names and shapes must be its own.

    Prefixes that wrappers add to every name ("module.", "model.") are taken off.

    Raises:
        WorkbenchError: the file does not read, or is another network's.
    """
    found = _state_dict(path)
    own = network.state_dict()
    for prefix in ("module.", "model.", "_orig_mod."):
        if found and not found.keys() & own.keys() and all(n.startswith(prefix) for n in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    missing = [name for name in own if name not in found]
    unknown = [name for name in found if name not in own]
    shapes = [name for name in own if name in found and own[name].shape != found[name].shape]
    wrong = [
        f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{' …' * (len(names) > _SHOWN)})"
        for names, what in (
            (missing, "missing"), (unknown, "unknown"), (shapes, "of another shape"),
        )
        if names
    ]  # fmt: skip
    if wrong:
        raise WorkbenchError(
            f"the tensors of {type(network).__name__} in {path}",
            ", ".join(wrong),
            "give the checkpoint of this network, or build the one that it is of",
        )
    network.load_state_dict(found)


def _state_dict(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WorkbenchError("a checkpoint", f"no file {path}", "check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WorkbenchError(
            f"a state dict in {path}: .safetensors, or .pt of tensors alone",
            f"something else ({str(error).splitlines()[0]})",
            "save model.state_dict()",
        ) from error
    for key in _NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise WorkbenchError(
            f"a state dict in {path}", f"{type(found).__name__}", "save model.state_dict()"
        )
    return found
