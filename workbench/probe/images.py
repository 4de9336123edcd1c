"""Images for a probe: a folder, a list of files, a torch dataset or loader, a store of scenes.

Every source gives images by number, each with an id that is unique, as RGB pixels. An image that
cannot be read raises at its own number and leaves the others alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from pipelines.errors import PipelineError
from pipelines.folders import image_names, search, unique_names
from workbench.data import Scenes
from workbench.data.photos import Pixels, read_photo
from workbench.errors import WorkbenchError


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


@runtime_checkable
class ImageSource(Protocol):
    """Images by number.

    Attributes:
        title: description in words.
        ids: ids of the images, unique, usable as file names.
    """

    title: str
    ids: list[str]

    def read(self, number: int) -> Pixels | Prepared:
        """Image of a number.

        Raises:
            UserError: the image cannot be read.
        """


def image_source(images: Any) -> ImageSource:
    """Source of a user's images.

    Args:
        images: a folder (nested; files that Pillow reads), a list of files, a store of scenes
            (a zarr folder of this project), a `Scenes`, a torch `Dataset` with a length, or a
            `DataLoader` over one, whose own dataset is then read image by image.

    Raises:
        WorkbenchError: it is none of these, or has no images.
    """
    if isinstance(images, str | Path):
        path = Path(images)
        if (path / "zarr.json").is_file():
            return _SceneImages(Scenes.open(str(path)))
        if path.is_file():
            return _Files([path], str(path), path.parent)
        return _Files(files_below(path), str(path), path)
    if isinstance(images, Scenes):
        return _SceneImages(images)
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

    def read(self, number: int) -> Pixels | Prepared:
        return read_photo(self.paths[number])


class _SceneImages:
    """Images of a store of scenes."""

    def __init__(self, scenes: Scenes) -> None:
        self.title, self._scenes = f"{len(scenes)} scenes of a store", scenes
        self.ids = unique_names(list(scenes.ids))

    def read(self, number: int) -> Pixels | Prepared:
        return self._scenes[number].pixels


class _Dataset:
    """Images of a torch dataset: items are images, or tuples or mappings that begin with one."""

    def __init__(self, dataset: Any) -> None:
        if not len(dataset):
            raise WorkbenchError("a dataset of images", "an empty one", "give another")
        self.title, self._dataset = f"{type(dataset).__name__} of {len(dataset)} images", dataset
        self.ids = [f"{number:06d}" for number in range(len(dataset))]

    def read(self, number: int) -> Pixels | Prepared:
        item = self._dataset[number]
        if isinstance(item, dict):
            item = next(iter(item.values()))
        if isinstance(item, tuple | list):
            item = item[0]
        return picture(item, self.ids[number])


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
