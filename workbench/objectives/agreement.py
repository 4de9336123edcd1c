"""Agreement of two pixels, whether they lie in one segment, learned through eigenvectors.

J1 and J2 compare whole subspaces. Segmentation uses the angles between the rows of two pixels
(`segmentation.spectral.unit_rows`), and this objective trains these angles: with
θ_K the angle within the first K eigenvectors and d = mean over K of 2 − 2 cos θ_K,

    P(same segment) = σ(a − b d),

compared by the logistic loss with the fraction of annotators who put both pixels in one segment.
Its gradient reaches X through the spectrum (matrix backpropagation, `linalg.spectral`): one
spectrum for every K, as only a function of the whole leading subspace has an exact derivative.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from workbench.errors import WorkbenchError
from workbench.linalg.affinity import Affinity
from workbench.objectives.assignment import check_labels
from workbench.segmentation.spectral import unit_rows

NEAREST, FARTHEST = 2.0, 30.0
"""Range of the typical distance between two pixels of a pair, in cells."""


class Agreement(nn.Module):
    """Logistic loss of pairs of pixels; a and b are learned.

    Args:
        dimensions: all values of K.
        pairs: number of pairs drawn for an image, from torch's global generator.
    """

    def __init__(self, dimensions: Sequence[int] = (2, 4, 8, 16), pairs: int = 6000) -> None:
        super().__init__()
        self.dimensions, self.pairs = tuple(dimensions), pairs
        self.offset = nn.Parameter(torch.tensor(2.8))
        self.slope = nn.Parameter(torch.tensor(math.log(math.expm1(2.8))))

    def forward(
        self,
        affinity: Affinity,
        labels: Int[Tensor, "annotators pixels"],
        shape: tuple[int, int],
    ) -> Float[Tensor, ""]:
        """Mean loss, nats.

        Args:
            affinity: affinity of the cells of a map, row-major.
            labels: labels of those cells, a row for each annotator.
            shape: rows and columns of the map.

        Raises:
            WorkbenchError: there is no annotator, the labels are not integers, or there are not two
                cells to compare.
        """
        check_labels(labels)
        if math.prod(shape) < 2 or math.prod(shape) != labels.shape[-1]:
            raise WorkbenchError(
                f"labels of the {shape[0]} × {shape[1]} cells of a map, at least two",
                f"labels of shape {tuple(labels.shape)}",
                "sample the label maps at the affinity's grid, and leave empty images out",
            )
        first, second = draw_pairs(shape, self.pairs, labels.device)
        same = (labels[:, first] == labels[:, second]).float().mean(0)
        apart = torch.zeros_like(same)
        for count in self.dimensions:
            rows = unit_rows(affinity.spectrum(count).vectors, count).float()
            apart = apart + (rows[first] - rows[second]).square().sum(1)
        logits = self.offset - softplus(self.slope) * apart / len(self.dimensions)
        return binary_cross_entropy_with_logits(logits, same)


def draw_pairs(
    shape: tuple[int, int], count: int, device: torch.device
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Pairs of different cells, the first anywhere, the second at distances of all scales.

    The offset is Gaussian, its deviation log-uniform from `NEAREST` to `FARTHEST` cells; at the
    map's edge it is cut off. Pairs of a cell with itself are left out.
    """
    rows, columns = shape
    y = torch.randint(rows, (count,), device=device)
    x = torch.randint(columns, (count,), device=device)
    span = math.log(FARTHEST / NEAREST)
    reach = NEAREST * torch.exp(span * torch.rand(count, 1, device=device))
    offset = (torch.randn(count, 2, device=device) * reach).round().long()
    first = y * columns + x
    second = (y + offset[:, 0]).clamp(0, rows - 1) * columns
    second = second + (x + offset[:, 1]).clamp(0, columns - 1)
    apart = first != second
    return first[apart], second[apart]
