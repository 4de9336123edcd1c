"""Photographs recovered from many layers, with given weights and random ones, item by item.

    found = invert_layers(model, "holiday/", ["relu2", "relu4"], "runs/inverted", beside="random")
    found.table()    # a photograph, layer and network a row

An item is a photograph at a layer of a network. Each is written below the folder when it is done;
the same call leaves finished items alone.
"""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.probe.capture import Select, named_layers
from workbench.probe.geometry.inversion import TV_WEIGHT, Optimiser, invert, photograph_of
from workbench.probe.geometry.inversion_result import Inversion, Outcome, Photograph, Step
from workbench.probe.geometry.networks import GIVEN, Beside, seeds_beside, weighted
from workbench.probe.images import image_source
from workbench.probe.preprocessing import Preprocessing
from workbench.probe.recording import digest_of_network
from workbench.runs.files import atomic_write
from workbench.runs.questions import agree_on_question

ITEMS = "items"


@dataclass(frozen=True, eq=False)
class LayerInversion:
    """Photograph recovered from a layer of one network.

    Attributes:
        photograph: id of the photograph.
        weights: "given", or "random 1", …
        found: inversion.
        seconds: time that it took.
    """

    photograph: str
    weights: str
    found: Inversion
    seconds: float


@dataclass(frozen=True, eq=False)
class LayerInversions:
    """Photographs recovered from layers of networks.

    Attributes:
        photographs: (3, height, width) RGB in [0, 1] by id.
        layers: names of the layers, in the model's order.
        weights: names of the networks: "given", "random 1", …
        items: inversions of all three.
        left_out: photograph → reason, of those that could not be read.
    """

    photographs: dict[str, Photograph]
    layers: tuple[str, ...]
    weights: tuple[str, ...]
    items: tuple[LayerInversion, ...]
    left_out: dict[str, str]

    def item(self, photograph: str, layer: str, weights: str = GIVEN) -> LayerInversion:
        """Inversion of a photograph at a layer of a network.

        Raises:
            WorkbenchError: there is none here.
        """
        for each in self.items:
            if (each.photograph, each.found.layer, each.weights) == (photograph, layer, weights):
                return each
        raise WorkbenchError(
            f"a photograph of {', '.join(self.photographs)}, a layer of {', '.join(self.layers)}, "
            f"weights of {', '.join(self.weights)}",
            f"{photograph!r}, {layer!r}, {weights!r}",
            "name one of each",
        )

    def table(self) -> pd.DataFrame:
        """A photograph, layer and network a row.

        Columns: photograph, layer, weights; psnr, start_psnr (dB); feature_error, start_error
        (relative); steps, evaluations, converged, outcome, seconds.
        """
        return pd.DataFrame([
            {
                "photograph": each.photograph, "layer": each.found.layer, "weights": each.weights,
                "psnr": each.found.psnr, "start_psnr": each.found.start_psnr,
                "feature_error": each.found.feature_error, "start_error": each.found.start_error,
                "steps": each.found.steps, "evaluations": each.found.evaluations,
                "converged": each.found.converged, "outcome": each.found.outcome.name.lower(),
                "seconds": each.seconds,
            }
            for each in self.items
        ])  # fmt: skip

    def means(self) -> pd.DataFrame:
        """A layer and network a row: means over photographs, and the share that converged."""
        columns = ["psnr", "start_psnr", "feature_error", "start_error", "steps", "converged"]
        grouped = self.table().groupby(["layer", "weights"])[columns].mean()
        order = pd.MultiIndex.from_product([self.layers, self.weights], names=["layer", "weights"])
        return grouped.reindex(order).reset_index()


def invert_layers(
    model: nn.Module,
    images: Any,
    layers: str | Sequence[str],
    folder: Path | str,
    *,
    preprocessing: Preprocessing,
    beside: Beside = None,
    draws: int = 1,
    count: int | None = None,
    skip: int = 0,
    seed: int = 0,
    tv_weight: float = TV_WEIGHT,
    optimiser: Optimiser = "lbfgs",
    steps: int = 300,
    rate: float | None = None,
    tolerance: float = 0.01,
    output: Select | None = None,
    call: int | None = None,
    progress: bool = True,
) -> LayerInversions:
    """Photographs recovered from layers of a network, and of random ones beside it.

    Args:
        model: network in evaluation mode, on any device.
        images: as `workbench.probe` takes them.
        layers: names or patterns of layers.
        folder: folder of the items; those that lie there are not computed again.
        preprocessing: size of the photographs, and the network's mean and deviation.
        beside: "random": the same architecture with weights after He et al., `draws` times.
        draws: number of random networks.
        count: number of photographs, by name; None: all.
        skip: number of photographs that are passed over first.
        seed: seed of the random weights.
        tv_weight, optimiser, steps, rate, tolerance, output, call: see `invert`.
        progress: show a bar.

    Raises:
        WorkbenchError: the folder holds items of other settings, weights or photographs; no
            photograph could be read; see also `invert`.
    """
    names = named_layers(model, layers)
    photographs, left_out = _photographs(images, preprocessing, count, skip)
    options: dict[str, Any] = {
        "tv_weight": tv_weight, "optimiser": optimiser, "steps": steps, "tolerance": tolerance,
        "rate": rate, "call": call,
    }  # fmt: skip
    folder = Path(folder)
    stated = {
        "weights": digest_of_network(model), "preprocessing": preprocessing.to_dict(), "seed": seed
    }  # fmt: skip
    agree_on_question(folder, options | stated, "the inversions")
    seeds = seeds_beside(beside, draws, seed)
    items = []
    total = len(seeds) * len(names) * len(photographs) * steps
    with tqdm(total=total, unit="step", disable=not progress) as bar:
        for weights, own in seeds.items():
            network = weighted(model, own)
            for layer in names:
                for id, photograph in photographs.items():
                    bar.set_description(f"{weights}, {layer}, {id}")
                    path = folder / ITEMS / f"{weights.replace(' ', '-')}--{layer}--{id}.npz"
                    if not path.is_file():
                        started, begun = time.monotonic(), bar.n
                        found = invert(
                            network, photograph, layer, preprocessing=preprocessing, output=output,
                            on_step=lambda *_: bar.update(), **options,
                        )  # fmt: skip
                        _write(path, photograph, found, time.monotonic() - started)
                        bar.update(begun + steps - bar.n)
                    else:
                        bar.total -= steps
                        bar.refresh()
                    items.append(_read(path, id, photograph, weights, layer, options))
    return LayerInversions(photographs, tuple(names), tuple(seeds), tuple(items), left_out)


def _photographs(
    images: Any, preprocessing: Preprocessing, count: int | None, skip: int
) -> tuple[dict[str, Photograph], dict[str, str]]:
    """Photographs by id, and the reasons of those that could not be read."""
    source = image_source(images)
    found: dict[str, Photograph] = {}
    left_out: dict[str, str] = {}
    for number in range(skip, len(source.ids)):
        if len(found) == count:
            break
        try:
            found[source.ids[number]] = photograph_of(source.read(number).image, preprocessing)
        except (UserError, OSError) as error:
            left_out[source.ids[number]] = str(error)
    if not found:
        raise WorkbenchError(
            "at least one photograph",
            f"none in {source.title} after {skip} passed over ({len(left_out)} unreadable)",
            "give another folder, or skip fewer",
        )
    return found, left_out


def _write(path: Path, photograph: Photograph, found: Inversion, seconds: float) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, image=found.image.numpy(), photograph=photograph.numpy(),
        history=np.array(found.history), outcome=found.outcome.name, psnr=found.psnr,
        feature_error=found.feature_error, evaluations=found.evaluations, seconds=seconds,
    )  # fmt: skip
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def _read(
    path: Path,
    id: str,
    photograph: Photograph,
    weights: str,
    layer: str,
    options: Mapping[str, Any],
) -> LayerInversion:
    with np.load(path) as stored:
        if not np.array_equal(stored["photograph"], photograph.numpy()):
            raise WorkbenchError(
                f"the photograph {id} of {path}", "another of that name", "give another folder"
            )
        history = tuple(Step(*map(float, each)) for each in stored["history"])
        found = Inversion(
            layer, torch.from_numpy(stored["image"]), float(stored["psnr"]),
            float(stored["feature_error"]), history[0].psnr, history[0].error, history,
            int(stored["evaluations"]), Outcome[str(stored["outcome"])],
            options["tolerance"], options["tv_weight"],
        )  # fmt: skip
        return LayerInversion(id, weights, found, float(stored["seconds"]))
