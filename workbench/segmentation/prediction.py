"""Prediction of a network for one image: all that is needed to cut it into segments."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from workbench.linalg.affinity import Affinity
from workbench.segmentation.grid import Grid


@dataclass(frozen=True)
class Prediction:
    """Prediction for an image: affinity and grid of its cells, and contours from some networks.

    Attributes:
        affinity: affinity of the cells of a feature map, row-major, by its factors.
        shape: rows and columns of that map.
        grid: places of its cells in the image.
        image: height and width of the image, pixels.
        contour: logits that somebody draws a contour through a block of 2×2 pixels,
            (ceil(height/2), ceil(width/2)); None where the network has no such branch.
    """

    affinity: Affinity
    shape: tuple[int, int]
    grid: Grid
    image: tuple[int, int]
    contour: Float[Tensor, "fine_rows fine_columns"] | None = None
