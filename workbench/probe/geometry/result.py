"""Geometry of layers, measured: figures and pairs as tables, of a network and those beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, UInt8

from workbench.errors import WorkbenchError
from workbench.geometry.gram import pair_indices
from workbench.probe.geometry.clouds import INPUT, LayerCloud
from workbench.probe.geometry.networks import GIVEN
from workbench.probe.geometry.predictions import LayerPrediction
from workbench.probe.geometry.record import read_record, write_record

Gauge = Literal["given", "balanced"]


@dataclass(frozen=True, eq=False)
class LayerGeometry:
    """Geometry of the layers of a network and of random networks beside it, on the same images.

    Attributes:
        network: class of the model, or its name on the command line.
        images: ids of the images.
        left_out: image → reason, of images that could not be read.
        gauge: "given", or "balanced": of the model's own weights.
        preprocessing: preprocessing of the images, in words and values.
        clouds: every layer of every network; each network's input first.
        predictions: one for each layer.
        thumbnails: small photographs as the network received them, before normalising.
        provenance: command, code, libraries and machine, see `runs.provenance`.
    """

    network: str
    images: tuple[str, ...]
    left_out: dict[str, str]
    gauge: Gauge
    preprocessing: dict[str, Any]
    clouds: tuple[LayerCloud, ...]
    predictions: tuple[LayerPrediction, ...]
    thumbnails: UInt8[np.ndarray, "images rows columns 3"]
    provenance: dict[str, Any]

    @classmethod
    def open(cls, folder: Path | str) -> "LayerGeometry":
        """Result that `save` has written.

        Raises:
            WorkbenchError: there is none in the folder, or it is damaged.
        """
        facts, thumbnails, clouds, predictions = read_record(Path(folder))
        facts["images"] = tuple(facts["images"])
        return cls(**facts, clouds=clouds, predictions=predictions, thumbnails=thumbnails)

    def save(self, folder: Path | str) -> Path:
        """Write the result, thumbnails included, as one file; returns its path."""
        names = ("network", "images", "left_out", "gauge", "preprocessing", "provenance")
        facts = {name: getattr(self, name) for name in names}
        return write_record(Path(folder), facts, self.thumbnails, self.clouds, self.predictions)

    @property
    def layers(self) -> list[str]:
        """Names of the layers, the input left out."""
        return [each.layer for each in self.predictions]

    @property
    def draws(self) -> list[str]:
        """Names of the networks: "given", "random 1", …"""
        return list(dict.fromkeys(each.weights for each in self.clouds))

    def cloud(self, layer: str, weights: str = GIVEN) -> LayerCloud:
        """Images at a layer of a network.

        Raises:
            WorkbenchError: no such layer or network here.
        """
        for each in self.clouds:
            if (each.layer, each.weights) == (layer, weights):
                return each
        raise WorkbenchError(
            f"a layer out of {', '.join([INPUT, *self.layers])}, weights {', '.join(self.draws)}",
            f"{layer!r}, {weights!r}",
            "name one of them",
        )

    def prediction(self, layer: str) -> LayerPrediction:
        """Prediction for a layer."""
        return next(each for each in self.predictions if each.layer == layer)

    def table(self) -> pd.DataFrame:
        """A layer and network a row: widths, dimensions, angles, prediction, outcome.

        Columns: layer, weights, features; width (ω), low, high, ceiling, squared_width, bound (of
        ω), diameter, stable_dimension, effective_rank, unit_width, unit_ceiling; angle, angle_05,
        angle_95 (radians); ratio, ratio_05, ratio_95 (output angle over input angle of a pair);
        correlation (of both angles); predicted and formula (median ratios); outcome, why_not.
        """
        return pd.DataFrame([self._row(each) for each in self.clouds])

    def pair(self, number: int) -> tuple[int, int]:
        """Numbers of the first and second image of a pair."""
        first, second = self._indices
        return int(first[number]), int(second[number])

    def pairs(self) -> pd.DataFrame:
        """A layer, network and pair a row: columns of `pairs_at`, with layer and weights."""
        frames = []
        for each in self.clouds:
            if each.layer != INPUT:
                frame = self.pairs_at(each.layer, each.weights)
                frame.insert(0, "layer", each.layer)
                frame.insert(1, "weights", each.weights)
                frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def pairs_at(self, layer: str, weights: str = GIVEN) -> pd.DataFrame:
        """Pairs of images at a layer of a network.

        Columns: first and second image; angle_in, angle, predicted and formula (radians); ratio
        (output over input angle).
        """
        names, (first, second) = np.array(self.images), self._indices
        angles_in, angles = self.cloud(INPUT).angles, self.cloud(layer, weights).angles
        found, none = self.prediction(layer), np.full(len(first), np.nan)
        return pd.DataFrame({
            "first": names[first], "second": names[second],
            "angle_in": angles_in, "angle": angles, "ratio": _ratios(angles, angles_in),
            "predicted": none if found.exact is None else found.exact,
            "formula": none if found.formula is None else found.formula,
        })  # fmt: skip

    @property
    def _indices(self) -> tuple[Int64[np.ndarray, "pairs"], Int64[np.ndarray, "pairs"]]:
        return pair_indices(len(self.images))

    def _row(self, cloud: LayerCloud) -> dict[str, Any]:
        width, unit = cloud.width, cloud.unit_width
        row: dict[str, Any] = {
            "layer": cloud.layer, "weights": cloud.weights, "features": cloud.features
        }  # fmt: skip
        names = ("value", "low", "high", "ceiling")
        values = [np.nan if width is None else getattr(width, name) for name in names]
        row |= dict(zip(("width", *names[1:]), values, strict=True))
        row |= {
            "squared_width": row["width"] ** 2,
            "bound": cloud.bound,
            "diameter": np.nan if width is None else width.diameter,
            "stable_dimension": np.nan if width is None else width.stable_dimension,
            "effective_rank": cloud.effective_rank,
            "unit_width": np.nan if unit is None else unit.value,
            "unit_ceiling": np.nan if unit is None else unit.ceiling,
        }
        angles, angles_in = cloud.angles, self.cloud(INPUT).angles
        ratios = _ratios(angles, angles_in)
        for name, found in (("angle", angles), ("ratio", ratios)):
            middle, low, high = _quantiles(found, (0.5, 0.05, 0.95))
            row |= {name: middle, f"{name}_05": low, f"{name}_95": high}
        row["correlation"] = _correlation(angles, angles_in)
        if cloud.layer != INPUT:
            found_here = self.prediction(cloud.layer)
            for name, theory in (("predicted", found_here.exact), ("formula", found_here.formula)):
                known = np.full(1, np.nan) if theory is None else _ratios(theory, angles_in)
                row[name] = _quantiles(known, (0.5,))[0]
            row["why_not"] = found_here.why_not
        return row | {"outcome": cloud.outcome}

    def __repr__(self) -> str:
        shown = self.table()[
            ["layer", "weights", "squared_width", "stable_dimension", "effective_rank", "angle",
             "ratio", "formula", "outcome"]
        ]  # fmt: skip
        words = shown.to_string(index=False, float_format="{:.3f}".format)
        return f"{self.network}, {len(self.images)} images, gauge {self.gauge}\n{words}"


def _ratios(
    angles: Float64[np.ndarray, "pairs"], angles_in: Float64[np.ndarray, "pairs"]
) -> Float64[np.ndarray, "pairs"]:
    """Output over input angle; NaN for images that are equal."""
    apart = angles_in > 0
    return np.where(apart, angles / np.where(apart, angles_in, 1.0), np.nan)


def _quantiles(values: Float64[np.ndarray, "_"], shares: tuple[float, ...]) -> list[float]:
    known = values[np.isfinite(values)]
    return [float(np.quantile(known, each)) if len(known) else float("nan") for each in shares]


def _correlation(
    angles: Float64[np.ndarray, "pairs"], angles_in: Float64[np.ndarray, "pairs"]
) -> float:
    both = np.isfinite(angles) & np.isfinite(angles_in)
    first, second = angles[both], angles_in[both]
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
