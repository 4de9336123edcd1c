"""Preprocessing of images for a network: stated by the user, or taken from the model.

The applied values are plain and are kept in the record. Sources of them: an image processor
of Hugging Face `transformers` (its `size`, `crop_size`, `image_mean`, …), timm's `pretrained_cfg`,
torchvision's `weights.transforms()`; the last two by their documented attributes, untested here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image
from torch import Tensor, nn

from workbench.data.photos import Pixels
from workbench.errors import WorkbenchError
from workbench.probe.images import Prepared, Sample
from workbench.probe.truths import LabelMap, refuse_unusable
from workbench.runs.plain import plain
from workbench.segmentation.photos import nearest

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEAST = 32
"""Smallest side that an image is reduced to, pixels."""


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of an image: resize, crop the middle, scale, normalise.

    Attributes:
        shorter: length to which the shorter side is resized, pixels; None: unchanged.
        longest: largest length of the longer side, to which an image is reduced; None: no limit.
        size: height and width to which the image is stretched, in place of `shorter`.
        crop: height and width of the middle that is kept; None: all of it.
        multiple: number to a multiple of which both sides are cropped, as patches require.
        mean, std: mean and deviation of the channels, in units of [0, 1].
        resample: Pillow's number of the interpolation (2 bilinear, 3 bicubic).
        source: origin of these values, in words.
    """

    shorter: int | None = None
    longest: int | None = None
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    multiple: int = 1
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    resample: int = 3
    source: str = "stated"

    def __post_init__(self) -> None:
        for name in ("shorter", "longest", "multiple"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise WorkbenchError(f"a positive {name}", f"{value}", "give pixels")

    def shown(self, pixels: Pixels) -> Pixels:
        """Image as the network sees it, before scaling: (height, width, 3) uint8."""
        target, middle = self._frame((pixels.shape[0], pixels.shape[1]))
        image = Image.fromarray(pixels)
        if target != pixels.shape[:2]:
            image = image.resize((target[1], target[0]), Image.Resampling(self.resample))
        return np.ascontiguousarray(np.array(image)[middle])

    def labels(self, labels: LabelMap) -> LabelMap:
        """Label map of an image as the network sees it: labels under the centres of its pixels."""
        target, middle = self._frame((labels.shape[0], labels.shape[1]))
        return np.ascontiguousarray(nearest(labels, target)[middle])

    def _frame(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[slice, slice]]:
        """Height and width to which an image of a size is resized, and the middle that is kept."""
        height, width = size
        if self.size is not None:
            target = self.size
        else:
            factor = 1.0 if self.shorter is None else self.shorter / min(size)
            if self.longest is not None:
                factor = min(factor, self.longest / max(size))
            factor = max(factor, min(_LEAST / min(size), 1.0))
            target = (round(height * factor), round(width * factor))
        kept = [
            min(a, b) // self.multiple * self.multiple
            for a, b in zip(self.crop or target, target, strict=True)
        ]
        if min(kept) == 0:
            raise WorkbenchError(
                f"images of at least {self.multiple} pixels a side",
                f"{target[1]}×{target[0]}",
                "enlarge them: preprocessing=Preprocessing(shorter=…)",
            )
        top, left = ((a - b) // 2 for a, b in zip(target, kept, strict=True))
        return target, (slice(top, top + kept[0]), slice(left, left + kept[1]))

    def tensor(self, shown: Pixels) -> Float32[Tensor, "3 height width"]:
        """Input of the network, from `shown`."""
        values = torch.from_numpy(shown).permute(2, 0, 1).float() / 255
        return (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[
            :, None, None
        ]

    def input_of(
        self, image: Pixels | Prepared
    ) -> tuple[Pixels, Float32[Tensor, "3 height width"]]:
        """Image as the network sees it, and the input of the network.

        An image that its dataset has prepared already is taken as it is.
        """
        if isinstance(image, Prepared):
            return image.shown, image.tensor
        shown = self.shown(image)
        return shown, self.tensor(shown)

    def truths_of(self, sample: Sample, id: str) -> list[LabelMap]:
        """Label maps of an image as the network sees it; empty where nobody has annotated it.

        Args:
            sample: the image with its ground truth.
            id: id of the image, for messages.

        Raises:
            UserError, OSError: they cannot be read, or do not fit the image.
        """
        maps = sample.truths()
        refuse_unusable(maps, sample.size, id)
        return maps if isinstance(sample.image, Prepared) else [self.labels(each) for each in maps]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the record."""
        found: dict[str, Any] = plain(self)
        return found


def preprocessing_of(model: nn.Module, given: Any = None) -> Preprocessing:
    """Preprocessing that a user states, or that of the model; else ImageNet's normalisation.

    Args:
        model: the network; timm's carry a `pretrained_cfg`, Hugging Face's a patch size.
        given: a `Preprocessing`, a Hugging Face image processor, torchvision's
            `weights.transforms()`, timm's `pretrained_cfg`; None: the model's own.

    Raises:
        WorkbenchError: the value given is none of these.
    """
    if isinstance(given, Preprocessing):
        return given
    if given is not None:
        if hasattr(given, "image_mean") and hasattr(given, "size"):
            return _of_processor(given)
        if hasattr(given, "resize_size") and hasattr(given, "mean"):
            return _of_torchvision(given)
        if isinstance(given, Mapping) and "mean" in given:
            return _of_timm(given)
        raise WorkbenchError(
            "preprocessing: a workbench.probe.Preprocessing, an image processor of transformers, "
            "torchvision's weights.transforms() or timm's pretrained_cfg",
            f"{type(given).__name__}",
            "state it: Preprocessing(shorter=224, mean=…, std=…)",
        )
    carried = getattr(model, "pretrained_cfg", None)
    if isinstance(carried, Mapping) and "mean" in carried:
        return _of_timm(carried)
    return Preprocessing(
        longest=448,
        multiple=patch_of(model) or 1,
        source="assumed: ImageNet's mean and deviation, the longer side at most 448 pixels",
    )


def patch_of(model: nn.Module) -> int | None:
    """Side of a patch in pixels, where the model's configuration has it."""
    found = getattr(getattr(model, "config", None), "patch_size", None)
    if isinstance(found, list | tuple) and len(set(found)) == 1:
        found = found[0]
    return found if isinstance(found, int) and found > 0 else None


def _of_processor(given: Any) -> Preprocessing:
    size = _sides(given.size) if getattr(given, "do_resize", True) else {}
    crop = _sides(given.crop_size) if getattr(given, "do_center_crop", False) else {}
    normal = getattr(given, "do_normalize", True)
    stretched = ("height" in size and "width" in size) or None
    return Preprocessing(
        shorter=size.get("shortest_edge"),
        longest=size.get("longest_edge"),
        size=stretched and (size["height"], size["width"]),
        crop=(crop["height"], crop["width"]) if "height" in crop else None,
        mean=tuple(given.image_mean) if normal else (0.0, 0.0, 0.0),
        std=tuple(given.image_std) if normal else (1.0, 1.0, 1.0),
        resample=int(getattr(given, "resample", 3) or 3),
        source=f"{type(given).__name__} of transformers",
    )


def _sides(size: Any) -> dict[str, int]:
    """Sides of a processor's size, which is a mapping, or an object of that kind."""
    values = size if isinstance(size, Mapping) else vars(size) if hasattr(size, "__dict__") else {}
    return {str(name): int(value) for name, value in values.items() if value is not None}


def _of_timm(given: Mapping[str, Any]) -> Preprocessing:
    side = int(given.get("input_size", (3, 224, 224))[-1])
    share = float(given.get("crop_pct") or 0.875)
    return Preprocessing(
        shorter=round(side / share),
        crop=(side, side),
        mean=tuple(given["mean"]),
        std=tuple(given["std"]),
        resample=2 if given.get("interpolation") == "bilinear" else 3,
        source="pretrained_cfg of timm (by its documented keys; untried)",
    )


def _of_torchvision(given: Any) -> Preprocessing:
    side, crop = given.resize_size[0], given.crop_size[0]
    bilinear = "bilinear" in str(getattr(given, "interpolation", "")).lower()
    return Preprocessing(
        shorter=int(side),
        crop=(int(crop), int(crop)),
        mean=tuple(given.mean),
        std=tuple(given.std),
        resample=2 if bilinear else 3,
        source="transforms of torchvision's weights (by their documented attributes; untried)",
    )
