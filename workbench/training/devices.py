"""Devices by the word for them: "auto", "cpu" or "cuda"."""

import torch

from workbench.errors import WorkbenchError


def device_of(word: str) -> torch.device:
    """Device for "cpu" or "cuda"; "auto" takes CUDA where there is one.

    Raises:
        WorkbenchError: "cuda" without a CUDA device.
    """
    there = torch.cuda.is_available()
    if word == "cuda" and not there:
        raise WorkbenchError(
            "a CUDA device", "none that this torch can use", "give --device cpu, or auto"
        )
    if word == "auto":
        word = "cuda" if there else "cpu"
    return torch.device(word)
