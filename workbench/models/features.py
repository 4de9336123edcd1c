"""A frozen backbone for the pipelines: images to the features that DeepNCuts would compute of them.

The entry point `backbone` of the group `pipelines.features`. Images are enlarged and cells placed
by DeepNCuts itself, without its head: training on these features is training on the images, as
long as the backbone is frozen.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from workbench.errors import WorkbenchError
from workbench.models.deep_ncuts import ArchitectureConfig, DeepNCuts
from workbench.models.weights import load_weights


class Features:
    """Features of a backbone at a tap.

    Attributes:
        attributes: the architecture, the grid of the cells in pixels of the original image
            (`stride`, `offset`: see `segmentation.grid.Grid`), and the weights' SHA-256.
    """

    def __init__(self, spec: str, weights: str, enlarge: float) -> None:
        name, colon, tap = spec.partition(":")
        if not colon:
            raise WorkbenchError(
                "a backbone and a tap, as in alexnet:relu5", repr(spec), "give both"
            )
        self._model = DeepNCuts(ArchitectureConfig(name, tap, enlarge=enlarge, head=False)).eval()
        load_weights(self._model.backbone, Path(weights))
        grid = self._model.grid
        self.attributes: dict[str, str | int | bool | float] = {
            "backbone": name,
            "tap": tap,
            "channels": self._model.backbone.channels,
            "enlarge": enlarge,
            "stride": grid.stride,
            "offset": grid.offset,
            "weights_sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        }

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Rows, columns and channels of the features of an image of that size."""
        rows, columns, channels = self(np.zeros((height, width, 3), np.uint8)).shape
        return rows, columns, channels

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(rows, columns, channels) float32 of an image, (height, width, 3) uint8 RGB."""
        pixels = torch.tensor(image).permute(2, 0, 1).float() / 255
        with torch.no_grad():
            maps = self._model.maps(pixels)
        return np.ascontiguousarray(maps.permute(1, 2, 0).numpy())


def extractor(spec: str, weights: str, enlarge: float) -> Features:
    """The entry point.

    Args:
        spec: a backbone and its tap, as in "alexnet:relu5".
        weights: file of its weights.
        enlarge: factor by which images are enlarged before.

    Raises:
        WorkbenchError: no such backbone or tap, or the file holds other weights.
    """
    # One thread a worker, as the cluster counts them; sums are then the same on every machine.
    torch.set_num_threads(1)
    return Features(spec, weights, enlarge)
