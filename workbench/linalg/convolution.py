"""Convolution as matrix operations: S = Wφ(Z) + b1ᵀ with φ(Z) = mat(P_φ vec(Z)).

After C.-J. Lin's slides on convolutional networks ("Matrix operations", National Taiwan
University). Z has a row for each channel and a column for each pixel, φ(Z) a column for each place
where the kernel lies; vec stacks columns, mat undoes it. P_φ is a 0/1 matrix with at most one 1 in
a row: a row without one reads the padding. The operator is exact, has its adjoint, and is meant
for inspection, not for fast convolution.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.precision import check_real, widened

Pair = tuple[int, int]

DENSE_LIMIT = 10_000_000
"""Largest number of entries with which P_φ is written out."""


@dataclass(frozen=True, repr=False)
class PatchOperator:
    """Linear operator φ: (channels, height, width) → (patch, places), by its matrix P_φ.

    The entries of a patch are in the order (channel, kernel row, kernel column) of
    `Conv2d.weight.flatten(1)`, the places row by row.

    Attributes:
        channels: rows of Z.
        height: rows of the map; Z has height · width columns, row by row.
        width: columns of the map.
        kernel: rows and columns of the kernel.
        stride: rows and columns from one place to the next.
        padding: zeros around the map, above and below, left and right.
        dilation: rows and columns between the kernel's entries.

    Raises:
        WorkbenchError: the kernel does not fit into the padded map.
    """

    channels: int
    height: int
    width: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        if min(self.output_size) < 1:
            raise WorkbenchError(
                f"a map that a kernel {self.kernel} with dilation {self.dilation} fits into",
                f"{self.height}×{self.width} with padding {self.padding}",
                "pad the map, or take a smaller kernel",
            )

    @property
    def output_size(self) -> Pair:
        """Rows and columns of places."""
        rows, columns = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                (self.height, self.width),
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        )
        return rows, columns

    @property
    def patch(self) -> int:
        """Number of entries of a patch: the rows of φ(Z)."""
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def places(self) -> int:
        """Number of positions of the kernel: the columns of φ(Z)."""
        return self.output_size[0] * self.output_size[1]

    @property
    def shape(self) -> Pair:
        """Shape of P_φ."""
        return self.patch * self.places, self.channels * self.height * self.width

    @property
    def sources(self) -> Int[Tensor, "patch places"]:
        """Index in vec(Z) of each entry of φ(Z); in the padding one past the end."""
        # a tensor made while torch traces belongs to that graph, and must not be kept
        return self._found_sources() if torch.compiler.is_compiling() else self._kept_sources

    @cached_property
    def _kept_sources(self) -> Int[Tensor, "patch places"]:
        return self._found_sources()

    def _found_sources(self) -> Int[Tensor, "patch places"]:
        row, inside_rows = self._reach(0, self.height)
        column, inside_columns = self._reach(1, self.width)
        pixel = row[:, None, :, None] * self.width + column[None, :, None, :]
        inside = inside_rows[:, None, :, None] & inside_columns[None, :, None, :]
        channel = torch.arange(self.channels)[:, None, None, None, None]
        index = torch.where(inside, pixel * self.channels + channel, self.shape[1])
        return index.reshape(self.patch, self.places)

    def _reach(self, axis: int, size: int) -> tuple[Tensor, Tensor]:
        """Lines read along one axis, (kernel entries, places), and whether each lies in the map."""
        entry = torch.arange(self.kernel[axis])[:, None] * self.dilation[axis]
        place = torch.arange(self.output_size[axis]) * self.stride[axis]
        line = entry + place - self.padding[axis]
        return line, (line >= 0) & (line < size)

    def __call__(
        self, maps: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch patch places"]:
        """Patches φ(Z).

        Raises:
            WorkbenchError: the maps are not real, or of another size.
        """
        check_real(maps, "feature map")
        if maps.shape[-3:] != (self.channels, self.height, self.width):
            raise WorkbenchError(
                f"maps of {self.channels}×{self.height}×{self.width}",
                f"a tensor of shape {tuple(maps.shape)}",
                "make an operator for this size",
            )
        vec = widened(maps).flatten(-2).mT.flatten(-2)  # the gradient is a sum
        with_padding = torch.cat([vec, torch.zeros_like(vec[..., :1])], -1)
        return with_padding[..., self.sources.to(maps.device)].to(maps.dtype)

    def adjoint(
        self, patches: Float[Tensor, "*batch patch places"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Adjoint P_φᵀ: each entry of the patches added to the pixel that it was read from.

        Raises:
            WorkbenchError: the patches are not real.
        """
        check_real(patches, "matrix of patches")
        wide = widened(patches)
        into = wide.new_zeros(*wide.shape[:-2], self.shape[1] + 1)
        sources = self.sources.to(patches.device).flatten()
        vec = into.index_add(-1, sources, wide.flatten(-2))[..., :-1].to(patches.dtype)
        return vec.reshape(*vec.shape[:-1], self.height, self.width, self.channels).movedim(-1, -3)

    def sparse(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Matrix P_φ as a coalesced sparse COO tensor of zeros and ones, with `shape`."""
        column = self.sources.T.flatten()
        row = torch.arange(len(column))
        kept = column < self.shape[1]
        indices = torch.stack([row[kept], column[kept]])
        ones = torch.ones(indices.shape[1], dtype=dtype)
        return torch.sparse_coo_tensor(
            indices, ones, self.shape, check_invariants=True, is_coalesced=True
        )

    def dense(self, dtype: torch.dtype = torch.float64) -> Float[Tensor, "rows columns"]:
        """Matrix P_φ written out, for small sizes.

        Raises:
            WorkbenchError: it has more than ten million entries.
        """
        if self.shape[0] * self.shape[1] > DENSE_LIMIT:
            raise WorkbenchError(
                f"at most {DENSE_LIMIT:,} entries to write out",
                f"{self.shape[0]:,} × {self.shape[1]:,}",
                "look at sparse(), or at a smaller map",
            )
        return self.sparse(dtype).to_dense()

    def __repr__(self) -> str:
        ones = int((self.sources < self.shape[1]).sum())
        kernel, stride, padding, dilation = (
            "×".join(map(str, pair))
            for pair in (self.kernel, self.stride, self.padding, self.dilation)
        )
        return (
            f"PatchOperator({self.channels}×{self.height}×{self.width} → "
            f"{self.patch}×{self.places}; kernel {kernel}, stride {stride}, padding {padding}, "
            f"dilation {dilation}; P_φ is {self.shape[0]:,}×{self.shape[1]:,} with {ones:,} ones)"
        )
