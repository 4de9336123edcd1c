"""Invariance of a network's layers: how far they move when an image is transformed.

    look = workbench.invariance(model, "holiday/", ["features.*"], pooling=["given", "none"])
    look.table()          # a network, layer, transformation and amount a row
    look.images_table()   # the same, an image a row

The relative movement of a layer f by a transformation T of an image x is ‖f(Tx) − f(x)‖ over the
median of ‖f(x') − f(x)‖ for the other images x': 0 where f is invariant, 1 where Tx is as far from
x as another photograph is. Both the layer's map as it is, and its average over positions, which
holds what global average pooling would make of it. Figures depend on the scales of channels
(`models.gauge`) as all distances do.

Sources: Bruna, Mallat, "Invariant scattering convolution networks", PAMI 2013; Zhang, "Making
convolutional networks shift-invariant again", ICML 2019 (pooling and shifts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.models.pooling import Pooling, poolings, with_pooling
from workbench.probe.capture import Capture, Select, named_layers, require_evaluation
from workbench.probe.geometry.images import image_set
from workbench.probe.geometry.invariance_result import Invariance
from workbench.probe.geometry.kept import Kept
from workbench.probe.geometry.movements import Movement, Request, movement_of
from workbench.probe.geometry.networks import Beside, seeds_beside, weighted
from workbench.probe.geometry.transformations import (
    Size,
    points_of,
    transformed,
)
from workbench.probe.preprocessing import Preprocessing, preprocessing_of

MIDDLE = Preprocessing(shorter=256, crop=(160, 160), source="shorter side 256, middle 160×160")
"""Preprocessing where neither the user nor the model states one: 48 pixels of room on each side."""


def invariance(
    model: nn.Module,
    images: Any,
    layers: str | Sequence[str],
    *,
    transformations: str | Sequence[str] | Mapping[str, Sequence[float]] = (
        "shift",
        "turn",
        "scale",
        "blur",
        "gain",
    ),
    pooling: Pooling | Sequence[Pooling] = "given",
    beside: Beside = None,
    draws: int = 1,
    count: int | None = None,
    preprocessing: Any = None,
    output: Select | None = None,
    call: int | None = None,
    seed: int = 0,
    memory: float = 2.0,
    keep: Path | None = None,
    progress: bool = True,
) -> Invariance:
    """Movements of layers of any torch module when images are transformed.

    >>> look = workbench.invariance(model, "holiday/", "features.4", beside="random")
    >>> look.table()[["layer", "positions", "amount", "movement"]]

    The network sees the middle of each image, of the preprocessing's crop; transformations fetch
    what lies around it. Features are held up to `memory`; where those of all images do not fit,
    images are run again.

    Args:
        model: network in evaluation mode, on any device.
        images: as `workbench.probe` takes them, at least two that can be read.
        layers: names or patterns of layers.
        transformations: names out of shift, turn, scale, blur, gain, gamma and gradient, with their
            usual amounts, or name → amounts (`transformations.TRANSFORMATIONS` states units).
        pooling: kinds of pooling, each a network: "given", "average", "maximum", "none" (see
            `models.pooling.with_pooling`).
        beside: "random": the same architecture with weights after He et al., `draws` times.
        draws: number of random networks.
        count: number of images, the first by name; None: all.
        preprocessing: as `workbench.probe`, with a crop; default: that of the model where it
            carries one, else the shorter side 256, the middle 160×160, ImageNet's normalisation.
        output: function from a layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer that runs several times.
        seed: seed of the random weights.
        memory: gigabytes of features that are held at most (at least those of two images).
        keep: folder where each network's figures are kept when they are found, and read from by a
            later call on the same images, weights, layers and transformations.
        progress: show a bar.

    Raises:
        WorkbenchError: no such layer, transformation or pooling, a model in training mode, fewer
            than two images, images of different sizes, an amount that leaves the image.
    """
    require_evaluation(model)
    names, points = named_layers(model, layers), points_of(transformations)
    kinds: list[Pooling] = [pooling] if isinstance(pooling, str) else list(dict.fromkeys(pooling))
    seeds = seeds_beside(beside, draws, seed)
    networks = [(weights, kind) for weights in seeds for kind in kinds]
    for kind in kinds:
        _pooled(model, kind)  # a kind that the network cannot have is refused before the work

    around, view = _around(model, preprocessing)
    read = image_set(images, around, count)
    ids, inputs, left_out = read.ids, read.tensors, read.left_out
    request = _request(inputs, view, points, around)
    kept = Kept(keep, ids, request, names, (output, call))
    movements: list[Movement] = []
    total = len(networks) * len(inputs) * (1 + len(points))
    with tqdm(total=total, unit="image", disable=not progress) as bar:
        for weights, kind in networks:
            bar.set_description(f"{weights}, pooling {kind}")
            network = _pooled(weighted(model, seeds[weights]), kind)
            found = kept.read(network, weights, kind)
            if found is None:
                capture = Capture(network, names, output, call)
                found = movement_of(network, request, capture, weights, kind, memory * 2**30, bar)
                kept.write(network, found)
            else:
                bar.update(len(inputs) * (1 + len(points)))
            movements.append(found)
    return Invariance(
        type(model).__name__, ids, left_out, around.to_dict(), view, points,
        tuple(names), tuple(poolings(model)[1]), tuple(movements),
    )  # fmt: skip


def _pooled(model: nn.Module, kind: Pooling) -> nn.Module:
    return model if kind == "given" else with_pooling(model, kind)


def _around(model: nn.Module, given: Any) -> tuple[Preprocessing, Size]:
    """Preprocessing of the images with what lies around the crop, and the size of the crop."""
    own = MIDDLE
    if given is not None or hasattr(model, "pretrained_cfg"):
        own = preprocessing_of(model, given)
    if own.crop is None:
        raise WorkbenchError(
            "a preprocessing with a crop, around which there is room for transformations",
            f"one that takes the whole image ({own.source})",
            "give preprocessing=Preprocessing(shorter=256, crop=(160, 160))",
        )
    square = None if own.shorter is None else (own.shorter, own.shorter)
    return replace(own, crop=square), own.crop


def _request(
    inputs: list[torch.Tensor], view: Size, points: Any, preprocessing: Preprocessing
) -> Request:
    """Images and transformations; the first image is transformed to find what leaves it."""
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (preprocessing.mean, preprocessing.std)
    )
    intensities = [each * std + mean for each in inputs]
    height, width = intensities[0].shape[1:]
    if view[0] > height or view[1] > width:
        raise WorkbenchError(
            f"images of at least the crop's {view[0]}×{view[1]} pixels",
            f"{height}×{width}",
            "give a smaller crop in the preprocessing",
        )
    for point in points:
        transformed(intensities[0], view, point)
    return Request(intensities, view, points, mean, std)
