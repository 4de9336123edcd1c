"""A frozen backbone for the pipelines: images to the features that DeepNCuts would compute of them.

`extractor` is the entry point `backbone` of the group `pipelines.features`. Images are enlarged and
cells placed by DeepNCuts itself, and several taps are those of a hypercolumn: training on these
features is training on the images, as long as the backbone is frozen.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from workbench.errors import WorkbenchError
from workbench.models.deep_ncuts import ArchitectureConfig, DeepNCuts
from workbench.models.weights import load_weights


class Features:
    """Features of a backbone at its taps.

    Attributes:
        attributes: the backbone, its taps (joined by "+"), how much images are enlarged before, and
            the SHA-256 of the weights.
    """

    def __init__(self, spec: str, weights: str, enlarge: float) -> None:
        name, colon, taps = spec.partition(":")
        if not colon:
            raise WorkbenchError(
                "a backbone and its taps, as in alexnet:relu5 or vgg16:relu3_3+relu5_3",
                repr(spec),
                "give both",
            )
        self._taps = tuple(taps.split("+"))
        architecture = ArchitectureConfig(
            name,
            self._taps,
            head="none" if len(self._taps) == 1 else "hypercolumn",
            enlarge=enlarge,
        )
        self._model = DeepNCuts(architecture).eval()
        load_weights(self._model.backbone, Path(weights))
        self.attributes: dict[str, str | int | bool | float] = {
            "backbone": name,
            "taps": taps,
            "enlarge": enlarge,
            "weights_sha256": file_digest(Path(weights)),
        }

    def shapes(self, height: int, width: int) -> dict[str, tuple[int, int, int]]:
        """Shapes (channels, rows, columns) at each tap, for an image of that size."""
        found = self(np.zeros((height, width, 3), np.uint8))
        return {tap: (maps.shape[0], maps.shape[1], maps.shape[2]) for tap, maps in found.items()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Maps (channels, rows, columns) float32 at each tap of an RGB image (height, width, 3)."""
        pixels = torch.tensor(image).permute(2, 0, 1).float() / 255
        with torch.no_grad():
            maps = self._model.features(pixels)
        return {tap: each.numpy() for tap, each in zip(self._taps, maps, strict=True)}


def file_digest(path: Path) -> str:
    """SHA-256 of a file of weights; equal where two files are the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extractor(spec: str, weights: str, enlarge: float) -> Features:
    """Features of a backbone by its specification; the entry point.

    Args:
        spec: name of a backbone and its taps, as in "alexnet:relu5" or "vgg16:relu3_3+relu5_3".
        weights: file of its weights.
        enlarge: factor by which images are enlarged before.

    Raises:
        WorkbenchError: no such backbone or tap, or the file holds other weights.
    """
    # One thread a worker, as the cluster counts them; sums are then the same on every machine.
    torch.set_num_threads(1)
    return Features(spec, weights, enlarge)
