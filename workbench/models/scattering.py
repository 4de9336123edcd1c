"""Scattering networks: fixed wavelets, modulus and averaging, whose invariance is known.

    network = Scattering(scale=3)
    workbench.invariance(network, "holiday/", ["order1", "order2"])

Order k of an image x is |… |x ⋆ ψ₁| … ⋆ ψ_k| ⋆ φ_J over all paths of growing scales, φ_J a Gaussian
of deviation 0.4·2^J pixels. A shift by c pixels moves an order by at most 2^(−J) |c| ‖x‖, up to a
constant (`Scattering.shift_bound`). Filters and transform are kymatio's, in numpy.

Sources: Mallat, "Group invariant scattering", CPAM 2012; Bruna, Mallat, "Invariant scattering
convolution networks", PAMI 2013 (arXiv 1203.1513); Andreux et al., "Kymatio", JMLR 2020.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError

ORDERS = ("order0", "order1", "order2")
"""Names of the layers; "all" is their concatenation."""
DEVIATION = 0.4
"""Deviation of φ_J in units of 2^J pixels: kymatio's 0.8·2^(J−1)."""


class Scattering(nn.Module):
    """Scattering network of order 2, whose named layers are its orders.

    Layers "order0", "order1", "order2" and "all" (the orders' channels one after another, the
    output) give maps (batch, channels · paths, height/2^J, width/2^J): 1, J·L and L²J(J−1)/2
    paths. Order k is divided by B^((k+1)/2), B the filters' upper frame bound, and multiplied by
    2^J, the root of the number of pixels that a sample of a map stands for, so that
    ‖Sx − Sy‖ ≤ ‖x − y‖, up to borders (reflected) and aliasing.

    The network has no parameters and no gradient: the transform runs in numpy, on the CPU.

    Args:
        scale: J; averages reach over 2^J pixels.
        angles: L, number of wavelets' directions.

    Raises:
        WorkbenchError: a scale or number of angles below 1; kymatio is not installed.
    """

    def __init__(self, scale: int = 3, angles: int = 8) -> None:
        super().__init__()
        if scale < 1 or angles < 1:
            raise WorkbenchError(
                "a scale J and a number of angles of at least 1",
                f"{scale}, {angles}",
                "J = 3 averages over 8 pixels",
            )
        _frontend_class()
        self.scale, self.angles = scale, angles
        for name in (*ORDERS, "all"):
            self.add_module(name, nn.Identity())

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch paths rows columns"]:
        """Coefficients of all orders.

        Raises:
            WorkbenchError: sides that are no multiples of 2^J.
        """
        height, width = x.shape[-2:]
        step = 2**self.scale
        if height % step or width % step:
            raise WorkbenchError(
                f"images whose sides are multiples of 2^J = {step} pixels",
                f"{height}×{width}",
                "crop them: preprocessing=Preprocessing(shorter=256, crop=(224, 224))",
            )
        transform, frame = _transform(self.scale, self.angles, height, width)
        values = transform(np.ascontiguousarray(x.detach().float().numpy(force=True)))
        found = torch.from_numpy(np.asarray(values, np.float32)).to(x)
        parts = [
            self.get_submodule(name)(part.flatten(1, 2) * step / frame ** ((order + 1) / 2))
            for order, (name, part) in enumerate(
                zip(ORDERS, found.split(self.paths, dim=2), strict=True)
            )
        ]
        together: Tensor = self.get_submodule("all")(torch.cat(parts, 1))
        return together

    @property
    def paths(self) -> list[int]:
        """Number of paths of each order."""
        first = self.scale * self.angles
        return [1, first, self.angles**2 * self.scale * (self.scale - 1) // 2]

    def shift_bound(self, pixels: float) -> float:
        """Upper bound of an order's movement, relative to ‖x‖, when the image is shifted.

        The L₁ distance of φ_J and its shift (Young's inequality), 2 erf(|c|/(2√2 σ)) with
        σ = 0.4·2^J: 1.995 |c|/2^J for small shifts, never above 2. For images that are 0 near
        their borders, up to the samples' aliasing.
        """
        return 2 * math.erf(abs(pixels) / (2 * math.sqrt(2) * DEVIATION * 2**self.scale))

    def extra_repr(self) -> str:
        """Scale and angles."""
        return f"scale={self.scale}, angles={self.angles}"


def _frontend_class() -> Any:
    """Class of the transform, which kymatio does not type."""
    try:
        from kymatio.scattering2d.frontend.numpy_frontend import ScatteringNumPy2D
    except ImportError as error:
        raise WorkbenchError(
            "kymatio, which has the filters of scattering networks",
            f"{error}",
            "pip install structured-layers-workbench[scattering]",
        ) from error
    return ScatteringNumPy2D


@lru_cache(4)
def _transform(scale: int, angles: int, height: int, width: int) -> tuple[Any, float]:
    """Transform for images of a size, and the upper frame bound of its filters.

    Building them takes seconds, and they hold modules, which cannot be copied: so they are kept
    here and not in the network.
    """
    transform = _frontend_class()(J=scale, shape=(height, width), L=angles)
    energy = np.abs(transform.phi["levels"][0]) ** 2
    for each in transform.psi:
        one_sided = np.abs(each["levels"][0]) ** 2
        mirrored = np.roll(one_sided[::-1, ::-1], (1, 1), (0, 1))  # of a real image: ψ(−ω) too
        energy = energy + (one_sided + mirrored) / 2
    return transform, float(energy.max())
