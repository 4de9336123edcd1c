"""Images for a probe: a folder, a list of files, a torch dataset or loader, a store.

Every source gives images by number, each with an id that is unique, as RGB pixels, with its ground
truth where the source has one. An image that cannot be read raises at its own number and leaves
the others alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from pipelines.errors import PipelineError
from pipelines.folders import image_names, search, unique_names
from pipelines.store import open_store
from workbench.data import Regions, Scenes
from workbench.data.photos import Pixels, read_photo
from workbench.errors import WorkbenchError
from workbench.probe.truths import LabelMap, TruthFiles, is_label_map, label_maps_of

IMAGE_ENTRIES = ("image", "pixel_values")
"""Entries of a mapping that are its image; where there are none, its first entry is."""
TRUTH_ENTRIES = ("segmentation", "mask", "label_map", "labels")
"""Entries of a mapping that may be its ground truth."""


@dataclass(frozen=True)
class Prepared:
    """Image that its dataset has prepared for the network already.

    Attributes:
        tensor: (3, height, width), the input of the network.
    """

    tensor: Float[Tensor, "3 height width"]

    @property
    def shown(self) -> Pixels:
        """Picture of the input: values stretched to 0 … 255, channels together."""
        low, high = self.tensor.min(), self.tensor.max()
        scaled = (self.tensor - low) / (high - low).clamp(min=1e-12) * 255
        found: Pixels = scaled.round().byte().permute(1, 2, 0).numpy(force=True)
        return found


def no_truths() -> list[LabelMap]:
    """No label maps: nobody has annotated the image."""
    return []


@dataclass(frozen=True)
class Sample:
    """Image with its ground truth.

    Attributes:
        image: the image.
        truths: function that gives the label maps of its annotators, at the image's size; what it
            raises leaves the image alone.
    """

    image: Pixels | Prepared
    truths: Callable[[], list[LabelMap]] = no_truths

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        shape = self.image.shown.shape if isinstance(self.image, Prepared) else self.image.shape
        return shape[0], shape[1]


@runtime_checkable
class ImageSource(Protocol):
    """Images by number.

    Attributes:
        title: description in words.
        ids: ids of the images, unique, usable as file names.
    """

    title: str
    ids: list[str]

    def read(self, number: int) -> Sample:
        """Image of a number, with its ground truth.

        Raises:
            UserError: the image cannot be read.
        """


def image_source(images: Any) -> ImageSource:
    """Source of a user's images.

    Args:
        images: a folder (nested; files that Pillow reads), a list of files, a store of scenes or
            of regions (a zarr folder of this project), a `Scenes` or `Regions`, a torch `Dataset`
            with a length, or a `DataLoader` over one, whose own dataset is then read image by
            image. Ground truth comes with scenes (every annotator's segments), with regions (the
            object's mask), and with items of a dataset that are (image, label map, …) or mappings
            with an entry "segmentation", "mask", "label_map" or "labels" which is one: integers
            (rows, columns), see `truths.label_maps_of`. Items (image, class) have none.

    Raises:
        WorkbenchError: it is none of these, or has no images.
    """
    if isinstance(images, str | Path):
        path = Path(images)
        if (path / "zarr.json").is_file():
            return _stored_images(path)
        if path.is_file():
            return _Files([path], str(path), path.parent)
        return _Files(files_below(path), str(path), path)
    if isinstance(images, Scenes):
        return _SceneImages(images)
    if isinstance(images, Regions):
        return _RegionImages(images)
    if isinstance(images, DataLoader):
        return image_source(images.dataset)
    if isinstance(images, Sequence) and images and all(isinstance(e, str | Path) for e in images):
        return _Files([Path(each) for each in images], f"{len(images)} files")
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        return _Dataset(images)
    raise WorkbenchError(
        "images: a folder, a list of files, a store, or a torch Dataset with a length",
        f"{type(images).__name__}" + " without images" * (images == []),
        "give one of these",
    )


def with_truths(source: ImageSource, files: TruthFiles) -> ImageSource:
    """Source whose ground truth is that of files."""
    return _WithTruths(source, files)


class _WithTruths:
    """Images of a source with the label maps of a folder."""

    def __init__(self, source: ImageSource, files: TruthFiles) -> None:
        self.title, self.ids = source.title, source.ids
        self._source, self._files = source, files

    def read(self, number: int) -> Sample:
        return replace(
            self._source.read(number), truths=partial(self._files.read, self.ids[number])
        )


def files_below(folder: Path) -> list[Path]:
    """Image files below a folder, as the pipelines' source `images` takes them.

    Raises:
        WorkbenchError: there is no folder, or no image in it.
    """
    try:
        return search(folder).files
    except PipelineError as error:
        raise WorkbenchError(error.expected, error.found, error.remedy) from error


class _Files:
    """Files that Pillow reads: upright as EXIF says, grey, alpha and 16 bits converted."""

    def __init__(self, paths: Sequence[Path], title: str, root: Path = Path()) -> None:
        self.title, self.paths = title, list(paths)
        self.ids = image_names(root, self.paths)

    def read(self, number: int) -> Sample:
        return Sample(read_photo(self.paths[number]))


class _SceneImages:
    """Images of a store of scenes."""

    def __init__(self, scenes: Scenes) -> None:
        self.title, self._scenes = f"{len(scenes)} scenes of a store", scenes
        self.ids = unique_names(list(scenes.ids))

    def read(self, number: int) -> Sample:
        scene = self._scenes[number]
        return Sample(scene.pixels, partial(list, scene.truths.numpy()))


class _RegionImages:
    """Frames of a store's regions, their masks as label maps: 1 the object, 0 around it."""

    def __init__(self, regions: Regions) -> None:
        self.title, self._regions = f"{len(regions)} regions of a store", regions
        ids = regions.table["annotation_id"].values
        self.ids = unique_names(
            f"{regions.names[category]}-{id}"
            for category, id in zip(regions.categories.tolist(), ids.tolist(), strict=True)
        )

    def read(self, number: int) -> Sample:
        region = self._regions[number]
        masks = [] if region.mask is None else [region.mask.astype(np.uint8)]
        return Sample(region.pixels, lambda: masks)


def _stored_images(path: Path) -> ImageSource:
    if "region" in open_store(path).dims:
        return _RegionImages(Regions.open(path))
    return _SceneImages(Scenes.open(path))


class _Dataset:
    """Images of a torch dataset: items are images, or tuples or mappings with one."""

    def __init__(self, dataset: Any) -> None:
        if not len(dataset):
            raise WorkbenchError("a dataset of images", "an empty one", "give another")
        self.title, self._dataset = f"{type(dataset).__name__} of {len(dataset)} images", dataset
        self.ids = [f"{number:06d}" for number in range(len(dataset))]

    def read(self, number: int) -> Sample:
        name = self.ids[number]
        item, truth = parts_of(self._dataset[number])
        image = picture(item, name)
        return Sample(image) if truth is None else Sample(image, lambda: label_maps_of(truth, name))


def parts_of(item: Any) -> tuple[Any, Any]:
    """Image of a dataset's item, and its ground truth; None where there is none.

    Args:
        item: an image, a sequence that begins with one, or a mapping; see `image_source`.
    """
    if isinstance(item, Mapping):
        image = next((item[name] for name in IMAGE_ENTRIES if name in item), None)
        given = [item[name] for name in TRUTH_ENTRIES if name in item]
        truth = next((each for each in given if _has_rows(each)), None)
        return next(iter(item.values())) if image is None else image, truth
    if isinstance(item, tuple | list):
        return item[0], item[1] if len(item) > 1 and is_label_map(item[1]) else None
    return item, None


def _has_rows(value: Any) -> bool:
    """Whether a value is laid out as a picture, which a class or a list of classes is not."""
    return isinstance(value, Image.Image) or len(getattr(value, "shape", ())) in (2, 3)


def picture(item: Any, name: str) -> Pixels | Prepared:
    """Image from any of the usual forms.

    Pillow images and uint8 arrays are images; float tensors are inputs of the network as they are.

    Raises:
        WorkbenchError: it is none of these.
    """
    if isinstance(item, Image.Image):
        return np.array(item.convert("RGB"))
    if isinstance(item, Tensor) and item.dim() == 3 and item.shape[0] in (1, 3):
        if item.is_floating_point():
            return Prepared(item.expand(3, -1, -1).float())
        item = item.permute(1, 2, 0).numpy(force=True)
    if isinstance(item, np.ndarray) and item.dtype == np.uint8:
        if item.ndim == 2:
            item = item[:, :, None]
        if item.ndim == 3 and item.shape[2] in (1, 3):
            return np.ascontiguousarray(np.broadcast_to(item, (*item.shape[:2], 3)))
    shape = f" of {tuple(item.shape)}" if hasattr(item, "shape") else ""
    raise WorkbenchError(
        f"an image as item {name}: Pillow's, a uint8 array (height, width, 3) or a float tensor "
        "(3, height, width)",
        f"{type(item).__name__}{shape}",
        "give a Dataset whose items are, or begin with, such an image",
    )
