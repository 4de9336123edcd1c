"""Segmentation of any photograph: by a trained network, by untrained features, by its contours.

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
from workbench.probe.networks import network_of
from workbench.probe.predict import LayerPredictor
from workbench.runs import Run
from workbench.segmentation import HierarchyConfig, Pool, PoolConfig, Prediction, cut
from workbench.segmentation.contour_cuts import ContourConfig, segment_contours
from workbench.segmentation.hierarchical import full_size
from workbench.segmentation.photos import PhotoSegmentation, enlarge_labels
from workbench.training.building import fresh_model, trained_model
from workbench.training.devices import device_of
from workbench.training.scenes.config import DeepNCutsConfig

SIDE = 481
"""Longer side at which photos are segmented, pixels: that of the networks' training images."""
SEGMENTS = 12
"""Number of segments without a choice and without a known height."""


@dataclass(frozen=True)
class CutChoice:
    """Choice of how to cut a photo; by default at the model's height, else into `SEGMENTS`.

    Attributes:
        segments: number of segments; flat clusterings are split into connected parts and give more.
        height: height at which the hierarchy is cut.
        flat: k-way clusterings in place of a hierarchy.

    Raises:
        WorkbenchError: the attributes contradict each other.
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
    """Method that cuts photographs: exactly one of network, contours and layer.

    Attributes:
        name: name under which it was loaded.
        model: a network, in evaluation mode.
        contours: configuration of classical normalized cuts.
        layer: a layer of any network, cut by its affinity.
        height: default height at which hierarchies are cut; None: not known.
    """

    name: str
    model: DeepNCuts | None = None
    contours: ContourConfig | None = None
    layer: LayerPredictor | None = None
    height: float | None = None

    def height_of(self, choice: CutChoice) -> float | None:
        """Height at which a hierarchy is cut; None: a number of segments, or no hierarchy."""
        if choice.segments is not None or choice.flat or self.contours is not None:
            return None
        return self.height if choice.height is None else choice.height

    def count_of(self, choice: CutChoice) -> int | None:
        """Number of segments that is asked for; None: the height decides."""
        return (choice.segments or SEGMENTS) if self.height_of(choice) is None else None

    def pool(self, pixels: Pixels, choice: CutChoice) -> Pool:
        """Segmentation of an image, as a pool of one.

        Raises:
            WorkbenchError: a hierarchy is asked of contours.
        """
        flat = PoolConfig(counts=(choice.segments or SEGMENTS,))
        if self.contours is not None:
            if choice.height is not None:
                raise WorkbenchError(
                    "a number of segments, as these cuts are flat", "a height", "give --segments"
                )
            return segment_contours(pixels, self.contours, flat)
        found = self.prediction(pixels)
        if choice.flat:
            return cut(found, flat)
        height = self.height_of(choice)
        pool = cut(found, HierarchyConfig(heights=(height or 0.0,)))
        if height is not None:
            return pool
        assert pool.hierarchy is not None
        labels = pool.hierarchy.cut_into(choice.segments or SEGMENTS)
        return replace(pool, segmentations=(full_size(labels, found.image),))

    def prediction(self, pixels: Pixels) -> Prediction:
        """Prediction of the network, or of the layer, for an image."""
        if self.layer is not None:
            return self.layer(pixels)
        assert self.model is not None, "contours predict nothing"
        device = next(self.model.parameters()).device
        image = torch.tensor(pixels, device=device).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found: Prediction = self.model(image)
        return found


def load_segmenter(
    model: str | Path,
    device: str = "auto",
    layer: str | None = None,
    checkpoint: Path | None = None,
) -> Segmenter:
    """Segmenter of a column's name, a run folder, a model file, or a layer of any network.

    Args:
        model: folder of a run; a file from `workbench export`; or a column of Table 2: classical
            and untrained ones are built here, trained ones read from models/<name>.safetensors, in
            the working directory or in WORKBENCH_DATA. With a layer: package.module:function, which
            returns a torch.nn.Module.
        device: "auto", "cpu" or "cuda".
        layer: name of the network's layer that is cut.
        checkpoint: state dict of that network.

    Raises:
        WorkbenchError: the model does not exist, or cannot be read.
    """
    path, name = Path(model), str(model)
    if layer is not None:
        any_network = network_of(name, checkpoint).to(device_of(device))
        return Segmenter(f"{name}, {layer}", layer=LayerPredictor(any_network, layer))
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
    """File of a column's exported network."""
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
        photo: a file in any format that Pillow reads, or RGB pixels.
        segmenter: result of `load_segmenter`.
        choice: how to cut; default: as in `CutChoice`.
        side: longer side to which larger photos are reduced; the segments have the photo's size.

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
        shortfall=_shortfall(pool, int(labels.max()), segmenter.count_of(choice)),
    )


def _shortfall(pool: Pool, found: int, asked: int | None) -> str:
    """Reason why a cut has fewer segments than were asked for; empty where it has not."""
    if asked is None or found >= asked:
        return ""
    basins = asked if pool.hierarchy is None else pool.hierarchy.regions
    rank = pool.embedding.spectrum.rank
    if basins < asked:
        why = f"the contours of the image have {basins} basins, and a hierarchy merges these"
    elif rank < asked:
        why = f"the affinity has rank {rank}, and tells no more parts of the image apart"
    else:
        why = "neighbouring clusters are alike, or parts too small to be kept"
    return f"{found} of {asked} segments: {why}"


class _Clock:
    """Clock that records the seconds between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
