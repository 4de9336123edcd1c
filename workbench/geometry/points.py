"""Clouds of points, (points, features), wherever they lie: read in blocks, checked once.

Tensors, numpy arrays and memory maps, Dask and zarr arrays are read a block of rows at a time and
computed with in float32, or in float64 where the input is float64 or an integer of more than 16
bits. No copy of the whole is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from workbench.errors import WorkbenchError

CPU_ENTRIES = 2**21
"""Entries of a block on a CPU with what is computed from them: 8 MiB of float32."""
DEVICE_ENTRIES = 2**25
"""Entries of a block on an accelerator, where launches take the time: 128 MiB of float32."""
EXACT_IN_FLOAT32 = {"float16", "bfloat16", "float32", "int8", "uint8", "int16", "uint16", "bool"}
EXACT_IN_FLOAT64 = {"float64", "int32", "uint32", "int64", "uint64"}


@dataclass(frozen=True)
class Cloud:
    """Points in an array of any of the kinds, not read yet.

    Attributes:
        source: array of shape (points, features): tensor, numpy, Dask or zarr array.
        dtype: dtype of the computation, float32 or float64.
        device: device of the source; the CPU for all but tensors.
    """

    source: Any
    dtype: torch.dtype
    device: torch.device

    @property
    def count(self) -> int:
        """Number of points."""
        return int(self.source.shape[0])

    @property
    def features(self) -> int:
        """Number of features."""
        return int(self.source.shape[1])

    @property
    def stored(self) -> bool:
        """Whether each read may cost a read from a disk: a Dask or zarr array."""
        return not isinstance(self.source, Tensor | np.ndarray)

    @cached_property
    def edges(self) -> list[int]:
        """Borders of the chunks of rows, 0 first; 0 and the number of points if there are none."""
        if not self.stored:
            return [0, self.count]
        if isinstance(self.source.chunks[0], int):  # zarr; a shard is its smallest unit on a disk
            step = int((getattr(self.source, "shards", None) or self.source.chunks)[0])
            return [*range(0, self.count, step), self.count]
        return [0, *np.cumsum(self.source.chunks[0]).tolist()]

    def rows(self, part: slice) -> Float[Tensor, "rows features"]:
        """Rows of a slice, in the dtype of the computation; only these are read."""
        return as_rows(self.source[part], self.dtype)

    def blocks(self, columns: int = 0) -> Iterator[tuple[int, Float[Tensor, "rows features"]]]:
        """Index of the first row and rows of each block, in order.

        Args:
            columns: number of values computed for each row, which share the block's memory.
        """
        entries = CPU_ENTRIES if self.device.type == "cpu" else DEVICE_ENTRIES
        height = max(entries // (self.features + columns), 1)
        if not self.stored:
            for start in range(0, self.count, height):
                yield start, self.rows(slice(start, start + height))
            return
        for start, stop in zip(self.edges[:-1], self.edges[1:], strict=True):
            chunk = self.rows(slice(start, stop))
            for first in range(0, len(chunk), height):
                yield start + first, chunk[first : first + height]

    def sample(self, limit: int) -> Float[Tensor, "rows features"]:
        """Some of the rows, at most `limit`, at regular steps; of stored arrays 8 chunks are read.

        All rows, where there are no more.
        """
        if not self.stored or self.count <= limit:
            return self.rows(slice(None, None, -(-self.count // limit)))
        chunks = list(zip(self.edges[:-1], self.edges[1:], strict=True))
        chosen = chunks[:: -(-len(chunks) // 8)]
        each = limit // len(chosen)
        parts = [self.rows(slice(a, b, -(-(b - a) // each))) for a, b in chosen if b > a]
        return torch.cat(parts)


def as_cloud(points: Any, least: int = 1) -> Cloud:
    """Cloud of points of an array (points, features); nothing of it is read.

    Args:
        points: tensor, numpy, Dask or zarr array; integers are converted.
        least: least number of points.

    Raises:
        WorkbenchError: not an array of real numbers with two axes, no feature, too few points.
    """
    if isinstance(points, Cloud):
        return points
    if not all(hasattr(points, name) for name in ("shape", "dtype", "__getitem__")):
        raise WorkbenchError(
            "points as a tensor, a numpy, Dask or zarr array (points, features)",
            f"{type(points).__name__}",
            "convert it with numpy.asarray",
        )
    shape = tuple(points.shape)
    if len(shape) != 2:
        raise WorkbenchError(
            "points as an array of two axes, (points, features)",
            f"the shape {shape}",
            "write x[None] for a single point, x[:, None] for points on a line, and "
            "x.reshape(len(x), -1) for maps or images",
        )
    if any(np.isnan(shape)):
        raise WorkbenchError(
            "a Dask array of known size", f"the shape {shape}", "call compute_chunk_sizes() on it"
        )
    if shape[1] < 1 or shape[0] < least:
        raise WorkbenchError(
            f"at least {least} point{'s' if least > 1 else ''} and one feature",
            f"an array of shape {shape}",
            "check what was selected; the axes are (points, features)",
        )
    name = str(points.dtype).removeprefix("torch.").lstrip("<>=|")
    if isinstance(points.dtype, np.dtype):
        name = points.dtype.name
    if name not in EXACT_IN_FLOAT32 | EXACT_IN_FLOAT64:
        raise WorkbenchError(
            "points of real numbers: floating, integer or boolean",
            f"dtype {points.dtype}",
            "of complex points take the real and the imaginary part as features",
        )
    dtype = torch.float32 if name in EXACT_IN_FLOAT32 else torch.float64
    device = points.device if isinstance(points, Tensor) else torch.device("cpu")
    return Cloud(points, dtype, device)


def as_rows(block: Any, dtype: torch.dtype) -> Float[Tensor, "rows features"]:
    """Tensor of a block of any kind of array; no copy where the block is one already."""
    if isinstance(block, Tensor):
        return block.detach().to(dtype)
    wanted = np.float32 if dtype == torch.float32 else np.float64
    array = np.ascontiguousarray(np.asarray(block), dtype=wanted)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def check_finite_rows(values: Tensor, start: int, count: int) -> None:
    """Refuse what comes of NaN, of infinite entries, or of entries past the dtype's range.

    Args:
        values: figures computed from the rows, in which NaN and infinity are passed on.
        start: index of the first of the rows.
        count: number of rows.

    Raises:
        WorkbenchError: a value is not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise WorkbenchError(
            "finite points whose squares are within range",
            f"NaN, infinity or overflow in rows {start} to {start + count - 1}",
            "leave these rows out, or divide all points by one number",
        )
