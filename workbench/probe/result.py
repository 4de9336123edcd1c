"""A recorded probe: features, statistics, spectra and cuts of any layer and image.

    found = workbench.probe(model, images="holiday/", layers=["blocks.9"])
    found.features("beach", "blocks.9")              # (channels, rows, columns)
    found.prediction("beach", "blocks.9", "cosine")  # affinity and places of its cells
    found.statistics["blocks.9"].effective_rank      # over all images

Only the run folder is read: the network is not needed any more.
"""

from collections.abc import Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from jaxtyping import Float, Int32

from workbench.errors import WorkbenchError
from workbench.probe.affinities import Choice, Factors, factors
from workbench.probe.recording import IMAGE, KIND, LAYER, LEFT_OUT, TRUTH, read_statistics
from workbench.probe.statistics import LayerStatistics
from workbench.probe.truths import unpacked
from workbench.runs import Run
from workbench.segmentation import Grid, Prediction


class Probe:
    """Record of a network over images.

    Args:
        run: the run, or its folder.

    Raises:
        WorkbenchError: there is no run, or it is no probe.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        # Arrays of the last image that was read: each question reads several of them.
        self._read: tuple[tuple[int, str], dict[str, np.ndarray]] | None = None
        if self.run.config.get("kind") != KIND:
            raise WorkbenchError(
                f"a probe at {self.run.path}",
                "another run",
                "give a folder that workbench.probe or `workbench probe` has written",
            )

    @property
    def path(self) -> Path:
        """Folder of the record."""
        return self.run.path

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in the network's order."""
        return list(self.run.config["layers"])

    @property
    def images(self) -> list[str]:
        """Ids of the images whose features are kept."""
        return [e.fields["id"] for e in self.run.events(IMAGE) if e.fields["kept"]]

    @property
    def left_out(self) -> dict[str, str]:
        """Images that could not be probed, with the reason."""
        return {e.fields["id"]: e.fields["reason"] for e in self.run.events(LEFT_OUT)}

    @property
    def annotated(self) -> list[str]:
        """Ids of the images with ground truth, among `images`."""
        done = self.run.events(IMAGE)
        return [e.fields["id"] for e in done if e.fields["kept"] and e.fields.get("truths")]

    @property
    def truths_left_out(self) -> list[str]:
        """Sentences on ground truth that could not be used: by name, by size, unreadable."""
        return [e.fields["reason"] for e in self.run.events(TRUTH)]

    @cached_property
    def described(self) -> dict[str, Mapping[str, Any]]:
        """Description of each layer's output: features, shape, stride, offset, tokens left out."""
        return {e.fields["name"]: e.fields for e in self.run.events(LAYER)}

    @property
    def statistics(self) -> dict[str, LayerStatistics]:
        """Statistics over all images, by layer."""
        return read_statistics(self.run)[0]

    def image(self, image: str) -> np.ndarray:
        """Image as the network saw it: (height, width, 3) uint8."""
        return self._arrays(image)["image"]

    def truths(self, image: str) -> list[Int32[np.ndarray, "height width"]]:
        """Label maps of an image at the size that the network saw, one from each annotator.

        The list is empty where nobody has annotated the image, and in records of older versions.
        """
        arrays = self._arrays(image)
        height, width = arrays["image"].shape[:2]
        return unpacked(arrays["truths"], (height, width)) if "truths" in arrays else []

    def features(self, image: str, layer: str) -> Float[np.ndarray, "channels rows columns"]:
        """Features of an image at a layer, float32.

        Raises:
            WorkbenchError: they are not kept, or there is no such image or layer.
        """
        return self._array(image, layer, "maps").astype(np.float32)

    def grid(self, image: str, layer: str) -> Grid:
        """Places of a layer's cells in an image, pixels."""
        stride, offset = self._array(image, layer, "grid").tolist()
        return Grid(stride, offset)

    def factors(self, image: str, layer: str, affinity: Choice = "cosine") -> Factors:
        """Affinity of an image's cells at a layer, by its factors; see `affinities`."""
        maps = torch.from_numpy(self.features(image, layer))
        return factors(maps.flatten(1).T, affinity)

    def prediction(self, image: str, layer: str, affinity: Choice = "cosine") -> Prediction:
        """Affinity of an image at a layer with the places of its cells, to be cut and looked at."""
        height, width = self.image(image).shape[:2]
        _, rows, columns = self._array(image, layer, "maps").shape
        found = self.factors(image, layer, affinity)
        return Prediction(found.affinity, (rows, columns), self.grid(image, layer), (height, width))

    def table(self) -> pd.DataFrame:
        """Figures of every layer over all images, a row a layer."""
        rows = []
        for name, each in self.statistics.items():
            said = self.described[name]
            rows.append(
                {
                    "layer": name,
                    "features": each.features,
                    "rows": said["shape"][0],
                    "columns": said["shape"][1],
                    "stride": said["stride"],
                    "cells": each.cells,
                    "effective rank": each.effective_rank,
                    "stable rank": each.stable_rank,
                    "mean cosine": each.mean_cosine,
                    "dead features": each.dead,
                }
            )
        return pd.DataFrame(rows)

    def to_xarray(self, layer: str) -> xr.Dataset:
        """Kept features of a layer: cells × features, with image, row and column of each cell."""
        parts, images, rows, columns = [], [], [], []
        for image in self.images:
            maps = self._array(image, layer, "maps")
            y, x = np.mgrid[: maps.shape[1], : maps.shape[2]]
            parts.append(maps.reshape(len(maps), -1).T)
            images += [image] * y.size
            rows.append(y.ravel())
            columns.append(x.ravel())
        return xr.Dataset(
            {"features": (("cell", "feature"), np.concatenate(parts))},
            coords={
                "image": ("cell", np.array(images)),
                "row": ("cell", np.concatenate(rows)),
                "column": ("cell", np.concatenate(columns)),
            },
            attrs={"layer": layer, "network": self.run.config["network"]},
        )

    def _arrays(self, image: str) -> dict[str, np.ndarray]:
        steps = self.run.snapshots(image) if image in self.images else []
        if not steps:
            near = ", ".join(self.images[:5]) or "none"
            raise WorkbenchError(
                f"an image whose features {self.path} keeps",
                repr(image),
                f"name one of its {len(self.images)}: {near} …",
            )
        if self._read is None or self._read[0] != (steps[-1], image):
            self._read = (steps[-1], image), self.run.load_snapshot(steps[-1], image)
        return self._read[1]

    def _array(self, image: str, layer: str, what: str) -> np.ndarray:
        arrays = self._arrays(image)
        if f"{layer}/{what}" not in arrays:
            raise WorkbenchError(
                f"a layer of the probe {self.path}", repr(layer), f"name {', '.join(self.layers)}"
            )
        return arrays[f"{layer}/{what}"]

    def _facts(self) -> dict[str, str]:
        config = self.run.config
        done = self.run.events(IMAGE)
        finished = self.run.latest("finished")
        seconds = sum(finished.fields["seconds"].values()) if finished else None
        kept = sum(e.fields["kept"] for e in done)
        facts = {
            "network": config["network"],
            "images": f"{len(done)} of {len(config['ids'])} ({config['images']}); "
            f"features of {kept} kept",
            "preprocessing": config["preprocessing"]["source"],
            "status": str(self.run.status),
        }
        if seconds is not None:
            facts["time"] = f"{seconds:.1f} s, {len(done) / max(seconds, 1e-9):.1f} images a second"
        if self.annotated or self.truths_left_out:
            facts["ground truth"] = "; ".join(
                [f"of {len(self.annotated)} images", *self.truths_left_out[:3]]
            )
        if self.left_out:
            facts["left out"] = f"{len(self.left_out)}: {', '.join(list(self.left_out)[:5])}"
        for name, said in self.described.items():
            rows, columns = said["shape"]
            extra = said["left_out_tokens"]
            facts[name] = (
                f"{rows}×{columns} cells of {said['features']} features, stride "
                f"{said['stride']:g} px ({said['places']})"
            ) + f", {extra} tokens beside the grid left out" * bool(extra)
        return facts

    def __repr__(self) -> str:
        facts = self._facts()
        width = max(map(len, facts))
        lines = [f"  {name:<{width}}  {value}" for name, value in facts.items()]
        return "\n".join([f"Probe({str(self.path)!r})", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table><caption>Probe {escape(str(self.path))}</caption>{rows}</table>"
