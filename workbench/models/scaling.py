"""Scale of a classifier's input, fixed once on training data.

log(XᵀX + εI) has an offset that is the same for all objects, log ε in every direction without
features: with ε = 1e-3 it is most of the vector's length, and slows gradient descent. Subtracting
the mean and dividing by a constant removes both the offset and the choice of units; it changes how
fast a linear classifier learns, not the functions that it can express. Unlike batch normalisation
it does not depend on a batch: several processes take the same step as one.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError

Scaling = Literal["none", "common", "entry"]
FLOOR = 0.1
"""Part of the mean variance added to each entry's: entries that hardly vary are not amplified."""


class Standardised(nn.Module):
    """Standardised vectors (v − mean) · scale, by constants that `calibrate` finds; first v itself.

    Afterwards the mean squared length of v over the data is `energy`.

    Args:
        entries: length of the vectors.
        energy: wanted mean squared length.
        each: divide every entry by its own deviation, not all by one number, which keeps angles
            and distances (those of the log-Euclidean metric, after the matrix logarithm).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, entries: int, energy: float, each: bool) -> None:
        super().__init__()
        self.energy, self.each = energy, each
        self.register_buffer("mean", torch.zeros(entries))
        self.register_buffer("scale", torch.ones(entries if each else 1))

    def forward(self, vectors: Float[Tensor, "batch entries"]) -> Float[Tensor, "batch entries"]:
        """Standardised vectors."""
        return (vectors - self.mean) * self.scale

    def calibrate(self, batches: Iterable[Float[Tensor, "_ entries"]]) -> None:
        """Fix mean and scale on vectors that have not been standardised.

        Raises:
            WorkbenchError: there are none, or they are all the same.
        """
        count = 0
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for batch in batches:
            vectors = batch.double()
            count += len(vectors)
            total += vectors.sum(0)
            squares += vectors.square().sum(0)
        mean = total / max(count, 1)
        variance = (squares / max(count, 1) - mean.square()).clamp(min=0)
        if not variance.sum() > 0:
            raise WorkbenchError(
                "vectors that differ, to find their scale",
                f"{count} that do not",
                "train with more regions, or with --scaling none",
            )
        if self.each:
            scale = (variance + FLOOR * variance.mean()).rsqrt()
        else:
            scale = torch.ones_like(self.scale, dtype=torch.float64)
        scale *= (self.energy / (variance * scale.square()).sum()).sqrt()
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def extra_repr(self) -> str:
        """Settings, for print(network)."""
        return f"entries={len(self.mean)}, energy={self.energy:g}, each={self.each}"
