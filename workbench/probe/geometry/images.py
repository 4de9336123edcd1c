"""Images as the points of a geometry: read, prepared to one size, the unreadable ones named."""

from typing import Any

from torch import Tensor, nn

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.probe.images import image_source
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

CENTRE = Preprocessing(shorter=256, crop=(224, 224), source="shorter side 256, middle 224×224")
"""Preprocessing where neither the user nor the model states one: images of one size."""


def one_size(model: nn.Module, given: Any) -> Preprocessing:
    """Preprocessing that was given, or the model's own, or the middle 224×224 of each image."""
    if given is None and not hasattr(model, "pretrained_cfg"):
        return CENTRE
    return preprocessing_of(model, given)


def inputs_of(
    images: Any, preprocessing: Preprocessing, count: int | None
) -> tuple[tuple[str, ...], list[Tensor], dict[str, str]]:
    """Ids and inputs of the images, and the reasons of those that could not be read.

    Args:
        images: as `workbench.probe` takes them.
        preprocessing: from an image to the tensor (channels, height, width) of the network.
        count: number of images, the first by name that can be read; None: all.

    Returns:
        Ids, inputs, and id → reason of those left out.

    Raises:
        WorkbenchError: fewer than two images, or images of different sizes.
    """
    source = image_source(images)
    ids: list[str] = []
    inputs: list[Tensor] = []
    left_out: dict[str, str] = {}
    for number, name in enumerate(source.ids):
        if count is not None and len(inputs) == count:
            break
        try:
            tensor = preprocessing.input_of(source.read(number).image)[1]
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
    if len(inputs) < 2:
        raise WorkbenchError(
            "at least two images, for angles and widths are of pairs",
            f"{len(inputs)} of {source.title}" + f" ({len(left_out)} unreadable)" * bool(left_out),
            "give a folder with more",
        )
    return tuple(ids), inputs, left_out
