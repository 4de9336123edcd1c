"""Gram matrices of a network's layers on images, in bounded memory."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from workbench.geometry.gram import inner_products
from workbench.probe.capture import Capture, Select


def layer_grams(
    network: nn.Module,
    inputs: Sequence[Tensor],
    names: Sequence[str],
    select: Select | None,
    call: int | None,
    memory: float,
    bar: Any,
) -> tuple[dict[str, Float64[Tensor, "images images"]], dict[str, int]]:
    """Gram matrix and number of features of each layer; a block of images is held at a time.

    Args:
        network: network in evaluation mode.
        inputs: images of one size, (channels, height, width) each.
        names: names of layers.
        select: function from a layer's output to its tensor.
        call: index of the run of a layer that runs several times.
        memory: bytes of features that are held at most (at least those of one image).
        bar: progress bar, whose total counts each image once.

    Returns:
        Layer → (images, images) inner products, and layer → number of features.
    """
    count = len(inputs)
    with Capture(network, names, select, call) as capture, torch.inference_mode():
        sizes = {name: len(x) for name, x in features_of(network, inputs[0], capture).items()}
        block = min(max(int(memory // (4 * sum(sizes.values()))), 1), count)
        bar.total += sum(count - start for start in range(block, count, block))
        grams = {name: torch.zeros(count, count, dtype=torch.float64) for name in names}
        for start in range(0, count, block):
            stop = min(start + block, count)
            held = {name: torch.empty(stop - start, sizes[name]) for name in names}
            for number in range(start, count):
                features = features_of(network, inputs[number], capture)
                for name, rows in held.items():
                    if number < stop:
                        rows[number - start] = features[name]
                    else:
                        products = inner_products(rows, features[name][None])[:, 0]
                        grams[name][start:stop, number] = grams[name][number, start:stop] = products
                bar.update()
            for name, rows in held.items():
                grams[name][start:stop, start:stop] = inner_products(rows)
    return grams, sizes


def features_of(
    network: nn.Module, image: Tensor, capture: Capture
) -> dict[str, Float[Tensor, "features"]]:
    """Features of an image at each layer, flattened, float32 on the CPU."""
    capture.clear()
    parameter = next(network.parameters(), image)
    network(image[None].to(parameter))
    return {name: found.float().flatten().cpu() for name, found in capture.outputs.items()}
