"""Geometry of a network's layers on images: widths, dimensions, angles, beside random weights.

    look = workbench.layer_geometry(model, "holiday/", layers=["features.*"], beside="random")
    look.table()     # a layer and network a row
    look.pairs()     # a layer, network and pair of images a row
    workbench.explore(look)
    look.save("geometry/")  # LayerGeometry.open("geometry/") gives it back

A layer's features of an image, flattened, are one point. Only the Gram matrix of the points is kept
for each layer, (images, images) in float64, from which everything else follows. Angles at a layer
depend on the gauge (`models.gauge`), and their ratio to the input's on what the input is: here the
tensor that the network receives.

Sources: Giryes, Sapiro, Bronstein, IEEE TSP 2016 (angles of random layers); Vershynin,
"High-Dimensional Probability", 2018, chapter 7 (width, stable dimension, Sudakov and Fernique).
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from workbench.geometry.gram import inner_products
from workbench.models.gauge import balanced
from workbench.probe.capture import Select, named_layers, require_evaluation
from workbench.probe.geometry.clouds import INPUT, LayerCloud, cloud_of
from workbench.probe.geometry.grams import layer_grams
from workbench.probe.geometry.images import image_set, one_size
from workbench.probe.geometry.networks import GIVEN, Beside, seeds_beside, weighted
from workbench.probe.geometry.predictions import predicted_layer
from workbench.probe.geometry.result import Gauge, LayerGeometry
from workbench.runs.files import to_json
from workbench.runs.provenance import provenance


def layer_geometry(
    model: nn.Module,
    images: Any,
    layers: str | Sequence[str],
    *,
    beside: Beside = None,
    draws: int = 2,
    gauge: Gauge = "given",
    count: int | None = None,
    preprocessing: Any = None,
    output: Select | None = None,
    call: int | None = None,
    seed: int = 0,
    directions: int = 256,
    memory: float = 2.0,
    progress: bool = True,
) -> LayerGeometry:
    """Geometry of layers of any torch module on images, beside random weights and the theory.

    >>> look = workbench.layer_geometry(model, "holiday/", ["features.4"], beside="random")
    >>> look.table()[["layer", "weights", "stable_dimension", "ratio", "formula"]]

    Images run one by one. Features are held up to `memory`; where all do not fit, images are run
    again, and each layer's inner products are found a block of images at a time.

    Args:
        model: network in evaluation mode, on any device.
        images: as `workbench.probe` takes them, at least two that can be read.
        layers: names or patterns of layers.
        beside: "random": the same architecture with weights after He et al., `draws` times.
        draws: number of random networks.
        gauge: "balanced": the model's channels are scaled as `models.gauge` says; random networks
            are left as drawn.
        count: number of images, the first by name; None: all.
        preprocessing: as `workbench.probe`; default: that of the model where it carries one, else
            the shorter side 256, the middle 224×224 and ImageNet's normalisation.
        output: function from a layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer that runs several times.
        seed: seed of the random weights and of the directions of widths.
        directions: number of directions of a width.
        memory: gigabytes of features that are held at most (at least those of one image).
        progress: show a bar.

    Raises:
        WorkbenchError: no such layer, a model in training mode, fewer than two images, images of
            different sizes, a gauge that the network does not have.
    """
    require_evaluation(model)
    seeds = seeds_beside(beside, draws, seed)
    names = named_layers(model, layers)
    own = balanced(model) if gauge == "balanced" else model
    prepared = one_size(model, preprocessing)
    found = image_set(images, prepared, count)
    inputs = found.tensors
    networks = {name: weighted(model, each) for name, each in seeds.items()} | {GIVEN: own}
    flat = torch.stack([each.flatten() for each in inputs])
    first = cloud_of(INPUT, GIVEN, flat.shape[1], inner_products(flat), None, directions, seed)
    clouds = []
    with tqdm(total=len(networks) * len(inputs), unit="image", disable=not progress) as bar:
        for weights, network in networks.items():
            bar.set_description(weights)
            grams, sizes = layer_grams(network, inputs, names, output, call, memory * 2**30, bar)
            clouds.append(
                LayerCloud(INPUT, weights, first.features, first.gram, first.width,
                           first.unit_width, first.effective_rank, first.bound, first.outcome)
            )  # fmt: skip
            clouds += [
                cloud_of(name, weights, sizes[name], grams[name], first, directions, seed)
                for name in names
            ]
    theory = networks.get("random 1", own)
    predictions = tuple(predicted_layer(theory, name, inputs, first.angles) for name in names)
    stated = json.loads(to_json(prepared.to_dict()))  # as a saved result has it
    return LayerGeometry(
        type(model).__name__, found.ids, found.left_out, gauge, stated, tuple(clouds),
        predictions, found.thumbnails, provenance(),
    )  # fmt: skip
