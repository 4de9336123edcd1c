"""Invariance of layers, measured: figures as tables, of a network and those beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from workbench.probe.geometry.movements import Movement
from workbench.probe.geometry.transformations import TRANSFORMATIONS, Point, Size

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Invariance:
    """Movements of the layers of a network, and of others beside it, on the same images.

    Attributes:
        network: class of the model.
        images: ids of the images.
        left_out: image → reason, of images that could not be read.
        preprocessing: preprocessing of the images, in words and values; without the crop.
        view: height and width of the middle that the network sees, pixels.
        points: transformations by their amounts.
        layers: names of the layers, the input left out.
        kept_pooling: names of adaptive pooling modules, which every network keeps.
        movements: movements of every network.
    """

    network: str
    images: tuple[str, ...]
    left_out: dict[str, str]
    preprocessing: dict[str, Any]
    view: Size
    points: tuple[Point, ...]
    layers: tuple[str, ...]
    kept_pooling: tuple[str, ...]
    movements: tuple[Movement, ...]

    @property
    def transformations(self) -> list[str]:
        """Names of the transformations."""
        return list(dict.fromkeys(each.transformation for each in self.points))

    def amounts(self, transformation: str) -> list[float]:
        """Amounts of a transformation, sorted."""
        return sorted(each.amount for each in self.points if each.transformation == transformation)

    def middle(self, transformation: str) -> float:
        """Amount of a transformation in the middle of those that change the image."""
        neutral = TRANSFORMATIONS[transformation].neutral
        amounts = [each for each in self.amounts(transformation) if each != neutral] or [neutral]
        return amounts[len(amounts) // 2]

    def table(self) -> pd.DataFrame:
        """A network, layer, reading and transformation by an amount a row.

        Columns: weights, pooling, layer, positions ("kept" or "averaged"), features,
        transformation, amount, unit; movement, movement_05, movement_95: relative movement, median
        and 5 and 95 % quantiles over images; angle (median, radians), other_angle (median angle
        to another image); outcome: sentence on a layer without figures.
        """
        return pd.DataFrame([
            row | {
                "unit": TRANSFORMATIONS[row["transformation"]].unit,
                "movement": _quantile(relative, 0.5),
                "movement_05": _quantile(relative, 0.05),
                "movement_95": _quantile(relative, 0.95),
                "angle": _quantile(movement.turned[reading, point], 0.5),
                "other_angle": _quantile(movement.other_angles[reading], 0.5),
                "outcome": movement.outcome(reading),
            }
            for movement, reading, point, relative, row in self._points()
        ])  # fmt: skip

    def images_table(self) -> pd.DataFrame:
        """A network, layer, reading, transformation by an amount and image a row.

        Columns: as `table` up to amount; image; movement (relative), distance (moved), norm (of the
        image's features), others (median distance of other images), angle (radians).
        """
        return pd.concat(
            [
                pd.DataFrame(
                    row | {
                        "image": self.images, "movement": relative,
                        "distance": movement.moved[reading, point],
                        "norm": movement.norms[reading], "others": movement.others[reading],
                        "angle": movement.turned[reading, point],
                    }
                )
                for movement, reading, point, relative, row in self._points()
            ],
            ignore_index=True,
        )  # fmt: skip

    def _points(self) -> Iterator[tuple[Movement, int, int, Float64[np.ndarray, "images"], Row]]:
        """Every movement, index of a reading and of a point, relative movements, and names."""
        for movement in self.movements:
            relative = movement.relative()
            for reading, (layer, positions) in enumerate(movement.readings):
                for point, (transformation, amount) in enumerate(self.points):
                    yield (
                        movement, reading, point, relative[reading, point],
                        {
                            "weights": movement.weights, "pooling": movement.pooling,
                            "layer": layer, "positions": positions,
                            "features": movement.features[reading],
                            "transformation": transformation, "amount": amount,
                        },
                    )  # fmt: skip

    def __repr__(self) -> str:
        table = self.table()
        middles = [(each, self.middle(each)) for each in self.transformations]
        shown = table[
            [pair in middles for pair in zip(table.transformation, table.amount, strict=True)]
        ].assign(point=lambda t: t.transformation + " " + t.amount.map("{:g}".format))
        wide = shown.pivot_table(
            "movement", ["weights", "pooling", "layer", "positions"], "point", sort=False
        )
        said = table[table.outcome != ""][["weights", "pooling", "layer", "outcome"]]
        reasons = "".join(f"\n{': '.join(each)}" for each in said.drop_duplicates().values.tolist())
        return (
            f"{self.network}, {len(self.images)} images: movement relative to another image\n"
            f"{wide.to_string(float_format='{:.3f}'.format)}{reasons}"
        )


def _quantile(values: Float64[np.ndarray, "images"], share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")
