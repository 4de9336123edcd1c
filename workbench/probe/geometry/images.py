"""Images as the points of a geometry: read, prepared to one size, the unreadable ones named."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor, nn

from pipelines.errors import UserError
from workbench.data.photos import Pixels, resized
from workbench.errors import WorkbenchError
from workbench.probe.images import image_source
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

CENTRE = Preprocessing(shorter=256, crop=(224, 224), source="shorter side 256, middle 224×224")
"""Preprocessing where neither the user nor the model states one: images of one size."""
THUMBNAIL = 128
"""Largest shorter side of a thumbnail, pixels."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size as a network receives them.

    Attributes:
        ids: ids of the images.
        tensors: inputs, (channels, height, width) each.
        thumbnails: small photographs, before scaling and normalising.
        left_out: id → reason, of images that could not be read.
    """

    ids: tuple[str, ...]
    tensors: list[Tensor]
    thumbnails: UInt8[np.ndarray, "images rows columns 3"]
    left_out: dict[str, str]


def one_size(model: nn.Module, given: Any) -> Preprocessing:
    """Preprocessing that was given, or the model's own, or the middle 224×224 of each image."""
    if given is None and not hasattr(model, "pretrained_cfg"):
        return CENTRE
    return preprocessing_of(model, given)


def image_set(images: Any, preprocessing: Preprocessing, count: int | None) -> ImageSet:
    """Images that can be read, prepared, and the reasons of those that cannot.

    Args:
        images: as `workbench.probe` takes them.
        preprocessing: from an image to the tensor (channels, height, width) of the network.
        count: number of images, the first by name that can be read; None: all.

    Raises:
        WorkbenchError: fewer than two images, or images of different sizes.
    """
    source = image_source(images)
    ids: list[str] = []
    inputs: list[Tensor] = []
    thumbnails: list[Pixels] = []
    left_out: dict[str, str] = {}
    for number, name in enumerate(source.ids):
        if count is not None and len(inputs) == count:
            break
        try:
            shown, tensor = preprocessing.input_of(source.read(number).image)
        except (UserError, OSError) as error:
            left_out[name] = str(error)
            continue
        if inputs and tensor.shape != inputs[0].shape:
            raise WorkbenchError(
                f"images of one size, {tuple(inputs[0].shape[1:])} as the first",
                f"{name} of {tuple(tensor.shape[1:])}",
                "crop them: preprocessing=Preprocessing(shorter=256, crop=(224, 224))",
            )
        ids.append(name)
        inputs.append(tensor)
        thumbnails.append(_thumbnail(shown))
    if len(inputs) < 2:
        raise WorkbenchError(
            "at least two images, for angles and widths are of pairs",
            f"{len(inputs)} of {source.title}" + f" ({len(left_out)} unreadable)" * bool(left_out),
            "give a folder with more",
        )
    return ImageSet(tuple(ids), inputs, np.stack(thumbnails), left_out)


def _thumbnail(pixels: Pixels) -> Pixels:
    factor = min(THUMBNAIL / min(pixels.shape[:2]), 1.0)
    height, width = (round(side * factor) for side in pixels.shape[:2])
    return resized(pixels, (height, width))
