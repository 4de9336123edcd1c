"""Pickles of arrays, lists, bytes, strings and numbers; one that names anything else is refused.

A pickle is a program that may call any function it names. Here it may name what numpy's arrays are
made of, under the names of numpy 1 and 2, and nothing is called before its name has been compared.
"""

import io
import pickle
from typing import Any

import numpy as np

from pipelines.errors import PipelineError

_MADE = np.zeros(1)
ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): _MADE.__reduce__()[0]
        for core in ("core", "_core")
    },
    **{
        (f"numpy.{core}.numeric", "_frombuffer"): _MADE.__reduce_ex__(5)[0]
        for core in ("core", "_core")
    },
}
"""Module and name in a pickle → what it means."""
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, TypeError, ValueError,
    pickle.UnpicklingError,
)  # fmt: skip
"""Errors that a damaged pickle ends in."""


class _Named(Exception):
    """A pickle names something that is not allowed."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise _Named(f"{module}.{name}")
        return ALLOWED[module, name]


def load(content: bytes, name: str) -> Any:
    """The content of a pickle; strings of Python 2 become bytes.

    Args:
        content: bytes of the file.
        name: name of the file, for errors.

    Raises:
        PipelineError: it names something else than arrays, or is no whole pickle.
    """
    expected = f"a pickle of arrays, lists, bytes, strings and numbers in {name}"
    try:
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _Named as error:
        raise PipelineError(
            expected,
            f"one that would call {error}, which was not done",
            "do not trust the file; download it again: python -m pipelines download cifar10",
        ) from error
    except DAMAGE as error:
        raise PipelineError(
            expected, f"none that is whole ({error})", "download the file again"
        ) from error
