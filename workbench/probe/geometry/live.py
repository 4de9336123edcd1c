"""Geometry of named layers on fixed samples, measured again and again while a network trains.

    training = workbench.record("runs/mine", model)
    training.geometry(["layer3", "layer4"], images)      # (samples, 3, rows, columns) tensor
    workbench.watch("runs/mine")                         # ω², stable dimension, rank over the steps

A layer's features of a sample, flattened, are one point. Of each layer only the Gram matrix of the
points is kept, (samples, samples); the figures are those of `layer_geometry` on the same images.
A measurement leaves the training alone: the network is in evaluation mode without gradients, modes
and random generators are as before, and its pace keeps a share of the time (`pace`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.geometry.cloud_figures import cloud_figures, median
from workbench.geometry.gram import inner_products, pair_angles
from workbench.probe.capture import Capture, Select, named_layers
from workbench.probe.geometry.pace import Pace
from workbench.runs.geometry import (
    ANGLE,
    CEILING,
    DIMENSION,
    OFF,
    RANK,
    RATIO,
    SAMPLES,
    SECONDS,
    WIDTH,
)

MOST = 256
"""Largest number of samples: a Gram matrix costs N²d flops, its figures N³."""
BATCH = 16
"""Samples that go through the network at once."""
MEMORY = 2 << 30
"""Largest number of bytes of features that are held at once."""

Samples = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""Inputs of a network, samples along the first axis: one tensor, several, or by name."""


class LiveGeometry:
    """Monitor of the geometry of layers, for a `trainer.Trainer` or any loop.

    It is called with every step, and returns the figures of `runs.geometry` for each layer where a
    measurement is due, otherwise nothing.

    Args:
        network: network that is trained.
        layers: names or patterns with wildcards.
        samples: inputs of 2 to 256 samples, which are kept.
        forward: function that runs the network on a batch of samples; default: the network on the
            tensor, on the tensors, or on those by name.
        batch: samples that go through the network at once; of one at a time, a layer's output need
            not have an axis for samples.
        every: number of steps between two measurements; None: as often as 3 % of the time allow.
        output: function from a layer's output to its tensor, where that is not one tensor.
        call: index of the run of a layer that runs several times.
        directions: number of directions of the width.

    Attributes:
        layers: names of the layers.
        pace: pace of the measurements.

    Raises:
        WorkbenchError: no such layer, or fewer than two samples, more than 256, or tensors of
            different lengths.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: str | Sequence[str],
        samples: Samples,
        *,
        forward: Callable[[Any], object] | None = None,
        batch: int = BATCH,
        every: int | None = None,
        output: Select | None = None,
        call: int | None = None,
        directions: int = 256,
    ) -> None:
        self.layers = named_layers(network, layers)
        self.pace = Pace(every)
        self._network, self._samples, self._batch = network, samples, batch
        self._forward = forward or self._run
        self._output, self._call, self._directions = output, call, directions
        self._count = _count(samples)
        inputs = _input_rows(samples)
        self._angles_in = None if inputs is None else pair_angles(inner_products(inputs.cpu()))
        self._last: int | None = None

    def __call__(self, step: int) -> dict[str, float]:
        """Figures by name at a step where they are due; otherwise nothing."""
        return self.measure(step) if self.pace.due(step) else {}

    def last(self, step: int) -> dict[str, float]:
        """Figures at the last step of a training, unless they were measured there."""
        return {} if self._last == step else self.measure(step)

    def measure(self, step: int) -> dict[str, float]:
        """Figures by name now.

        Raises:
            WorkbenchError: a layer does not run, runs several times, its output is not one tensor
                with an axis for samples, or the features of all samples exceed 2 GiB.
        """
        device = _device(self._network)
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # earlier steps are no part of the measurement
        start = time.perf_counter()
        found: dict[str, float] = {}
        for layer, gram in self._grams(device).items():
            figures = cloud_figures(gram, self._directions)
            named = {
                WIDTH: figures.squared_width,
                CEILING: figures.ceiling_ratio,
                DIMENSION: figures.stable_dimension,
                RANK: figures.effective_rank,
                ANGLE: figures.angle,
                OFF: figures.off,
            }
            if self._angles_in is not None:
                named[RATIO] = _median_ratio(gram, self._angles_in)
            found |= {f"{layer} {name}": value for name, value in named.items()}
        seconds = time.perf_counter() - start
        self.pace.took(step, seconds)
        self._last = step
        return found | {SAMPLES: float(self._count), SECONDS: seconds}

    def _grams(self, device: torch.device) -> dict[str, Float64[Tensor, "samples samples"]]:
        """Gram matrix of each layer, on the CPU."""
        held: dict[str, list[Tensor]] = {layer: [] for layer in self.layers}
        with (
            undisturbed(self._network, device),
            Capture(self._network, self.layers, self._output, self._call) as capture,
        ):
            for start in range(0, self._count, self._batch):
                stop = min(start + self._batch, self._count)
                capture.clear()
                self._forward(_part(self._samples, start, stop, device))
                for layer, found in capture.outputs.items():
                    held[layer].append(_rows(found, stop - start, layer))
                if start == 0:
                    self._check_memory(held, stop)
        return {layer: inner_products(torch.cat(rows)).cpu() for layer, rows in held.items()}

    def _check_memory(self, held: Mapping[str, Sequence[Tensor]], count: int) -> None:
        needed = sum(4 * rows[0].numel() for rows in held.values()) * self._count // count
        if needed > MEMORY:
            raise WorkbenchError(
                f"features of at most {MEMORY >> 30} GiB",
                f"{needed / 2**30:.1f} GiB for {self._count} samples",
                "give fewer samples, smaller ones, or deeper layers",
            )

    def _run(self, batch: Any) -> object:
        if isinstance(batch, Tensor):
            return self._network(batch)
        return self._network(**batch) if isinstance(batch, Mapping) else self._network(*batch)


def _median_ratio(
    gram: Float64[Tensor, "samples samples"], angles_in: Float64[np.ndarray, "pairs"]
) -> float:
    """Median of the angles over those at the input, of pairs that are apart there."""
    apart = angles_in > 0
    return median(np.where(apart, pair_angles(gram), np.nan) / np.where(apart, angles_in, 1.0))


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters(), torch.empty(0)).device


@contextmanager
def undisturbed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients; modes and random generators are then as before."""
    modes = [(module, module.training) for module in network.modules()]
    generators = [device] if device.type == "cuda" else []
    network.eval()
    try:
        # Not inference_mode: what a network keeps from this pass may meet a gradient later.
        with torch.no_grad(), torch.random.fork_rng(devices=generators):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _rows(output: Tensor, count: int, layer: str) -> Float[Tensor, "samples features"]:
    """Features of each sample in a row, float32."""
    if count == 1:
        return output.float().reshape(1, -1)
    if output.dim() == 0 or len(output) != count:
        raise WorkbenchError(
            f"an output of {layer} with the {count} samples along its first axis",
            f"the shape {tuple(output.shape)}",
            "give output=lambda out: … that moves them there, or batch=1",
        )
    return output.float().flatten(1) if output.dim() > 1 else output.float()[:, None]


def _tensors(samples: Samples) -> list[Tensor]:
    if isinstance(samples, Tensor):
        return [samples]
    return list(samples.values()) if isinstance(samples, Mapping) else list(samples)


def _count(samples: Samples) -> int:
    lengths = {len(each) if each.dim() else 0 for each in _tensors(samples)}
    if len(lengths) != 1:
        raise WorkbenchError(
            "tensors of as many samples each", f"lengths {sorted(lengths)}", "give one batch"
        )
    (count,) = lengths
    if not 2 <= count <= MOST:
        raise WorkbenchError(
            f"2 to {MOST} samples, for widths and angles are of pairs", f"{count}", "64 are usual"
        )
    return count


def _input_rows(samples: Samples) -> Tensor | None:
    """Samples as rows: the first tensor of floating-point numbers; None where there is none."""
    for each in _tensors(samples):
        if each.is_floating_point():
            return each.detach().float().reshape(len(each), -1)
    return None


def _part(samples: Samples, start: int, stop: int, device: torch.device) -> Any:
    if isinstance(samples, Tensor):
        return samples[start:stop].to(device)
    if isinstance(samples, Mapping):
        return {name: each[start:stop].to(device) for name, each in samples.items()}
    return tuple(each[start:stop].to(device) for each in samples)
