"""Convolutional layer as a matrix product, S = Wφ(Z) + b1ᵀ: see `linalg.convolution`."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.linalg.convolution import Pair, PatchOperator
from workbench.linalg.precision import check_real, uncast, widened


class MatrixConvolution(nn.Module):
    """Layer Wφ(Z) + b1ᵀ, equal to `nn.Conv2d`, with W, φ and P_φ for inspection.

    Args:
        channels: channels of the input maps.
        outputs: channels of the output maps.
        kernel: rows and columns of the kernel.
        stride: rows and columns from one place of the kernel to the next.
        padding: rows and columns of zeros on each side of the map.
        dilation: rows and columns between the entries of the kernel.
        bias: whether there is a b.

    Attributes:
        weight: W, (outputs, channels · kernel rows · kernel columns).
        bias: b, (outputs,), or None.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.channels, self.kernel, self.stride = channels, kernel, stride
        self.padding, self.dilation = padding, dilation
        patch = channels * math.prod(kernel)
        bound = patch**-0.5  # as nn.Conv2d starts
        self.weight = nn.Parameter(torch.empty(outputs, patch).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound)) if bias else None

    @classmethod
    def of(cls, convolution: nn.Conv2d) -> "MatrixConvolution":
        """Layer equal to a convolution, with a copy of its weights.

        Raises:
            WorkbenchError: it has groups, padding by name, or padding other than zeros.
        """
        padding = convolution.padding
        if convolution.groups != 1 or convolution.padding_mode != "zeros" or padding == "same":
            raise WorkbenchError(
                "a convolution without groups, padded with a number of zeros",
                f"{convolution}",
                "split the groups, and give the padding as a number",
            )
        layer = cls(
            convolution.in_channels,
            convolution.out_channels,
            _pair(convolution.kernel_size),
            _pair(convolution.stride),
            (0, 0) if isinstance(padding, str) else _pair(padding),
            _pair(convolution.dilation),
            convolution.bias is not None,
        ).to(convolution.weight)
        with torch.no_grad():
            layer.weight.copy_(convolution.weight.flatten(1))
            if layer.bias is not None and convolution.bias is not None:
                layer.bias.copy_(convolution.bias)
        return layer

    def operator(self, height: int, width: int) -> PatchOperator:
        """Operator φ for maps of this size; the last few are kept."""
        # torch's tracer looks through the cache, and warns of it
        make = PatchOperator if torch.compiler.is_compiling() else _operator
        return make(
            self.channels, height, width, self.kernel, self.stride, self.padding, self.dilation
        )

    def forward(
        self, maps: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch outputs rows columns"]:
        """S, its columns laid out as maps again, in the dtype of the maps.

        Where maps and weights are both float32 it is computed in float32, also under autocast;
        half-precision maps or weights are computed with in float64.

        Raises:
            WorkbenchError: the maps are not real, have other channels, or are too small for the
                kernel.
        """
        check_real(maps, "feature map")
        phi = self.operator(*maps.shape[-2:])
        dtype = torch.promote_types(widened(maps).dtype, widened(self.weight).dtype)
        with uncast(maps):
            s = self.weight.to(dtype) @ phi(maps.to(dtype))
        if self.bias is not None:
            s = s + self.bias[:, None].to(dtype)
        return s.reshape(*s.shape[:-1], *phi.output_size).to(maps.dtype)

    def extra_repr(self) -> str:
        """Settings, for print(network)."""
        return (
            f"{self.channels}, {len(self.weight)}, kernel={self.kernel}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, bias={self.bias is not None}"
        )


_operator = lru_cache(maxsize=8)(PatchOperator)


def _pair(values: tuple[int, ...]) -> Pair:
    rows, columns = values
    return rows, columns
