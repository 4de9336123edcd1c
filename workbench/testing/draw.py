"""Inputs with a spectrum of one's choice."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

TIES = ("tie", "all tied", *(f"gap 1e-{k}" for k in (1, 3, 6, 8, 10, 12, 14)))
"""Two equal eigenvalues, all of them equal, or two at the relative distance named."""

SMALL = tuple(f"smallest 1e-{k}" for k in (4, 6, 8, 10, 12))
"""Smallest eigenvalue, beside the largest, which is 1."""

DEFICIENT = ("dead", "rank 0")
"""Half of the channels zero; all of them."""


def eigenvalues(spectrum: str, size: int) -> Tensor:
    """(size,) float64, descending from 1 to 1/16 but for what the name of the spectrum says."""
    values = torch.logspace(0, -4, size, base=2, dtype=torch.float64)
    word, _, amount = spectrum.partition(" ")
    if word == "tie" or word == "gap":
        values[1:2] = values[:1] * (1 - float(amount or 0))
    elif spectrum == "all tied":
        values[:] = 1
    elif word == "smallest":
        values[-1:] = float(amount)
    elif word == "dead":
        values[size // 2 :] = 0
    elif word == "rank":
        values[:] = 0
    elif word != "generic":
        raise ValueError(f"no spectrum {spectrum!r}")
    return values


def orthogonal(*shape: int, generator: torch.Generator) -> Tensor:
    """(*shape) float64 with orthonormal columns."""
    columns: Tensor = torch.linalg.qr(
        torch.randn(*shape, dtype=torch.float64, generator=generator)
    )[0]
    return columns


@dataclass(frozen=True)
class Draw:
    """A request for one example, in float64.

    Attributes:
        batch: leading dimensions.
        sizes: those of the layer itself, one of `Case.sizes`.
        spectrum: "generic" or a name of TIES, SMALL, DEFICIENT.
        seed: the same request with the same seed is the same example.
    """

    batch: tuple[int, ...] = ()
    sizes: tuple[int, ...] = (4,)
    spectrum: str = "generic"
    seed: int = 0

    @property
    def generator(self) -> torch.Generator:
        """A fresh one, so that the order of calls does not matter."""
        return torch.Generator().manual_seed(self.seed)

    def symmetric(self, size: int | None = None) -> Tensor:
        """(*batch, size, size) positive semidefinite with the eigenvalues asked for."""
        size = self.sizes[-1] if size is None else size
        values = eigenvalues(self.spectrum, size)
        live = int((values > 0).sum())
        vectors = orthogonal(*self.batch, live, live, generator=self.generator)
        a = torch.zeros(*self.batch, size, size, dtype=torch.float64)
        a[..., :live, :live] = (vectors * values[:live]) @ vectors.mT
        return (a + a.mT) / 2

    def rectangular(self) -> Tensor:
        """(*batch, m, n) of sizes (m, n); the spectrum is that of the singular values."""
        m, n = self.sizes
        values = eigenvalues(self.spectrum, min(m, n))
        live = int((values > 0).sum())
        generator = self.generator
        left = orthogonal(*self.batch, m, live, generator=generator)
        right = orthogonal(*self.batch, live, live, generator=generator)
        x = torch.zeros(*self.batch, m, n, dtype=torch.float64)
        if m >= n:
            x[..., :live] = (left * values[:live]) @ right.mT
        else:
            wide = orthogonal(*self.batch, n, live, generator=generator)
            x[..., :live, :] = (right * values[:live]) @ wide.mT
        return x

    def positive(self, *shape: int) -> Tensor:
        """(*batch, *shape) uniform in [0.1, 1.1]: features after a ReLU; no chosen spectrum."""
        size = (*self.batch, *shape)
        return torch.rand(size, dtype=torch.float64, generator=self.generator) + 0.1

    def but(self, **changes: object) -> "Draw":
        """The same request with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
