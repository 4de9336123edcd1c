"""Pretrained weights: paths of the known files, and reading torchvision's .pth and safetensors into
a backbone cut at a tap."""

import os
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.models.backbones import Backbone


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors or a torchvision .pth file, by name.

    Raises:
        WorkbenchError: there is no such file, or it is neither format.
    """
    if not path.is_file():
        raise WorkbenchError("a file of weights", f"nothing at {path}", "check --weights")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WorkbenchError(
            "a .safetensors file or a torchvision .pth state dict",
            f"{path}, which does not read as one ({type(error).__name__}: {error})",
            "download it again",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WorkbenchError(
            "a state dict of tensors", f"something else in {path}", "save `model.state_dict()`"
        )
    return state


def load_weights(backbone: Backbone, path: Path) -> None:
    """Fill a backbone with pretrained weights, cast to float32.

    Tensors of the layers beyond the tap and of the classifier are left out.

    Raises:
        WorkbenchError: the file cannot be read, or belongs to another network.
    """
    state, own = read_state(path), backbone.state_dict()
    for name, parameter in own.items():
        found = tuple(state[name].shape) if name in state else "nothing"
        if found != tuple(parameter.shape):
            raise WorkbenchError(
                f"{backbone.name} weights, with {name} of shape {tuple(parameter.shape)}",
                f"{found} under that name in {path}",
                f"give the weights of {backbone.name}, or choose another --backbone",
            )
    backbone.load_state_dict({name: state[name].float() for name in own})


def find_weights(backbone: str, root: Path) -> Path | None:
    """File of a backbone in the folder `weights` of a folder of data; None where there is none."""
    return min((root / "weights").glob(f"{backbone}*"), default=None)


def known_weights(backbone: str, otherwise: str = "") -> Path:
    """File of a backbone in $WORKBENCH_DATA/weights.

    Args:
        backbone: name of the backbone.
        otherwise: alternative to suggest in the message where there is none.

    Raises:
        WorkbenchError: the variable is not set, or there is no such file.
    """
    root = os.environ.get("WORKBENCH_DATA")
    if root and (found := find_weights(backbone, Path(root))):
        return found
    raise WorkbenchError(
        f"pretrained weights of {backbone}",
        f"no {backbone}* in {root}/weights" if root else "no folder in WORKBENCH_DATA",
        f"{otherwise}{', or ' if otherwise else ''}let WORKBENCH_DATA name a folder with weights/ "
        "(python -m pipelines download weights)",
    )
