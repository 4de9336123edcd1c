"""Any photograph cut into segments: by a trained network, by untrained features, by its contours.

segmenter = load_segmenter("runs/mine")       # or a model file, or the name of a column
found = segment_photo("holiday.jpg", segmenter)
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from workbench.data.photos import Pixels, read_photo, resized, working_size
from workbench.errors import WorkbenchError
from workbench.experiments.scenes.columns import COLUMNS
from workbench.experiments.scenes.model_files import read_model
from workbench.models import DeepNCuts
from workbench.models.weights import known_weights
from workbench.runs import Run
from workbench.segmentation import HierarchyConfig, Pool, PoolConfig, cut
from workbench.segmentation.contour_cuts import ContourConfig, segment_contours
from workbench.segmentation.hierarchical import full_size
from workbench.segmentation.photos import PhotoSegmentation, enlarge_labels
from workbench.training.building import fresh_model, trained_model
from workbench.training.devices import device_of
from workbench.training.scenes.config import DeepNCutsConfig

SIDE = 481
"""Longer side at which photos are segmented, pixels: that of the images that networks saw."""
SEGMENTS = 12
"""How many segments where nothing is asked and no height is known."""


@dataclass(frozen=True)
class CutChoice:
    """How a photo is to be cut; nothing given: at the model's height, else into `SEGMENTS`.

    Attributes:
        segments: so many; flat clusterings split into connected ones afterwards, and give more.
        height: at which the hierarchy is cut.
        flat: k-way clusterings in place of a hierarchy.

    Raises:
        WorkbenchError: the wishes contradict each other.
    """

    segments: int | None = None
    height: float | None = None
    flat: bool = False

    def __post_init__(self) -> None:
        if self.height is not None and (self.segments is not None or self.flat):
            raise WorkbenchError(
                "a height alone, or a number of segments",
                "both" if self.segments is not None else "a height of flat clusterings",
                "leave one out",
            )
        if self.segments is not None and self.segments < 2:
            raise WorkbenchError("at least 2 segments", f"{self.segments}", "raise --segments")


@dataclass(frozen=True)
class Segmenter:
    """What cuts photographs: exactly one of network and contours.

    Attributes:
        name: what it was asked for by.
        model: a network, in evaluation mode.
        contours: classical normalized cuts.
        height: at which hierarchies are cut if nothing else is asked; None: not known.
    """

    name: str
    model: DeepNCuts | None = None
    contours: ContourConfig | None = None
    height: float | None = None

    def height_of(self, choice: CutChoice) -> float | None:
        """At which a hierarchy is cut; None: into a number of segments, or there is none."""
        if choice.segments is not None or choice.flat or self.contours is not None:
            return None
        return self.height if choice.height is None else choice.height

    def pool(self, pixels: Pixels, choice: CutChoice) -> Pool:
        """The segmentation of an image as the only one of a pool.

        Raises:
            WorkbenchError: a hierarchy is asked of contours.
        """
        flat = PoolConfig(counts=(choice.segments or SEGMENTS,))
        if self.contours is not None:
            if choice.height is not None:
                raise WorkbenchError(
                    "a number of segments, as classical cuts are flat",
                    "a height",
                    "give --segments",
                )
            return segment_contours(pixels, self.contours, flat)
        assert self.model is not None
        device = next(self.model.parameters()).device
        image = torch.tensor(pixels, device=device).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = self.model(image)
        if choice.flat:
            return cut(found, flat)
        height = self.height_of(choice)
        pool = cut(found, HierarchyConfig(heights=(height or 0.0,)))
        if height is not None:
            return pool
        assert pool.hierarchy is not None
        labels = pool.hierarchy.cut_into(choice.segments or SEGMENTS)
        return replace(pool, segmentations=(full_size(labels, found.image),))


def load_segmenter(model: str | Path, device: str = "auto") -> Segmenter:
    """What a name, a run folder or a model file stands for.

    Args:
        model: folder of a run; a file from `workbench export`; or a column of Table 2: classical
            and untrained ones are made here, trained ones found as models/<name>.safetensors, here
            or in WORKBENCH_DATA.
        device: "auto", "cpu" or "cuda".

    Raises:
        WorkbenchError: it stands for nothing, or does not read.
    """
    path, name = Path(model), str(model)
    column = COLUMNS.get(name)
    height = None
    if path.is_dir():
        network = trained_model(Run.open(path), DeepNCutsConfig)
    elif path.is_file():
        saved = read_model(path)
        network, height = saved.model, saved.height
    elif column is None:
        raise WorkbenchError(
            f"a run folder, a model file, or one of {', '.join(COLUMNS)}", name, "give --model one"
        )
    elif column.contours is not None:
        return Segmenter(name, contours=column.contours)
    elif column.architecture is not None:
        weights = str(known_weights(column.architecture.backbone))
        config = DeepNCutsConfig(store="", architecture=column.architecture, weights=weights)
        network = fresh_model(config).eval()
    else:
        saved = read_model(_model_file(name))
        network, height = saved.model, saved.height
    return Segmenter(name, network.to(device_of(device)), height=height)


def _model_file(name: str) -> Path:
    """The exported network of a column."""
    roots = [Path(), *(Path(root) for root in [os.environ.get("WORKBENCH_DATA")] if root)]
    files = [root / "models" / f"{name}.safetensors" for root in roots]
    for file in files:
        if file.is_file():
            return file
    raise WorkbenchError(
        f"the trained network of {name}",
        f"nothing at {' or '.join(map(str, files))}",
        f"make it: {COLUMNS[name].command}, then workbench export <its run> {files[0]}",
    )


def segment_photo(
    photo: Path | str | Pixels,
    segmenter: Segmenter,
    choice: CutChoice | None = None,
    side: int = SIDE,
) -> PhotoSegmentation:
    """Cut one photograph into segments.

    Args:
        photo: a file of any kind that Pillow reads, or RGB pixels.
        segmenter: from `load_segmenter`.
        choice: how to cut; default: as `CutChoice` says.
        side: photos whose longer side is larger are reduced to it, and the segments brought back.

    Raises:
        WorkbenchError: the file is no photograph, or the choice does not suit the segmenter.
    """
    choice = choice or CutChoice()
    clock = _Clock()
    pixels = read_photo(Path(photo)) if isinstance(photo, Path | str) else photo
    height, width, _ = pixels.shape
    working = working_size((height, width), side)
    small = resized(pixels, working)
    clock.lap("reading")
    pool = segmenter.pool(small, choice)
    clock.lap("segmenting")
    labels = enlarge_labels(pool.segmentations[0], (height, width))
    clock.lap("enlarging")
    hierarchy, spectrum = pool.hierarchy, pool.embedding.spectrum
    return PhotoSegmentation(
        pixels=pixels,
        labels=labels,
        working=working,
        eigenvectors=pool.embedding.maps.numpy(force=True),
        eigenvalues=spectrum.values.numpy(force=True),
        rank=spectrum.rank,
        contours=None if hierarchy is None else hierarchy.contours,
        height=segmenter.height_of(choice),
        seconds=clock.laps,
    )


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
