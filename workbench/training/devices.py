"""Devices by the word for them, "auto", "cpu" or "cuda", and the number of threads on the CPU."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from tqdm.auto import tqdm

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


@contextmanager
def threads(count: int | None, said: bool = True) -> Iterator[None]:
    """Number of torch's threads for as long as the block runs, and as it was afterwards.

    Args:
        count: number of threads; None: torch's own choice.
        said: whether the number is stated, on stderr; in a notebook, which shows that like an
            error, on stdout.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        if said:
            number = torch.get_num_threads()
            notebook = type(sys.stderr).__module__.startswith("ipykernel")
            stream = sys.stdout if notebook else sys.stderr
            tqdm.write(f"{number} thread{'s' * (number > 1)} of torch (--threads)", stream)
        yield
    finally:
        torch.set_num_threads(before)
