"""A frozen backbone's features of scenes, read from a store instead of computed."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipelines.store import open_store
from pipelines.store.arrays import open_items, valid_slots
from workbench.data.scenes import Scenes
from workbench.errors import WorkbenchError


class FeatureCache:
    """The maps of several taps for every scene of a store of scenes.

    Args:
        path: of the store of features (`python -m pipelines run … --features`).

    Attributes:
        attributes: what the store says of the backbone, its taps, the enlargement and the weights.
        taps: names of the arrays, in the backbone's order.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        table = open_store(path)
        if "taps" not in table.attrs:
            raise WorkbenchError(
                f"a store of features in {path}",
                f"one of kind {table.attrs.get('kind')}",
                "write one: python -m pipelines run bsds --features vgg16:relu5 …",
            )
        self.attributes = dict(table.attrs)
        self.taps: tuple[str, ...] = tuple(str(self.attributes["taps"]).split("+"))
        self.mirrored = f"{self.taps[0]}_mirrored" in table
        self._rows = {name: row for row, name in enumerate(table["id"].values.tolist())}
        self._slots = valid_slots(path)
        self._sizes = {
            tap: np.stack([table[f"{tap}_rows"].values, table[f"{tap}_columns"].values], axis=1)
            for tap in self.taps
        }
        names = [tap + side for tap in self.taps for side in ("", "_mirrored")[: 1 + self.mirrored]]
        self._arrays = {name: open_items(path, name) for name in names}

    def __repr__(self) -> str:
        mirrored = " and of their mirror images" if self.mirrored else ""
        return f"{', '.join(self.taps)} of {len(self._rows)} scenes{mirrored}, in {self.path}"

    def check(self, scenes: Scenes, **expected: str | float) -> None:
        """Make sure that these are the features that a network would compute of scenes.

        Args:
            scenes: those that will be asked for.
            expected: what the store's attributes must be: backbone, taps, enlarge, weights_sha256.

        Raises:
            WorkbenchError: they are of other scenes or of another backbone, or lack the mirrors.
        """
        for name, value in expected.items():
            if self.attributes[name] != value:
                raise WorkbenchError(
                    f"features with {name} {value} in {self.path}",
                    f"{self.attributes[name]}",
                    "write them for this network: python -m pipelines run … --features",
                )
        missing = [each for each in scenes.ids if each not in self._rows]
        if missing or not self.mirrored:
            raise WorkbenchError(
                f"features of all scenes and their mirror images in {self.path}",
                f"none of {missing[0]}" if missing else "none of mirror images",
                "write them from the same dataset, with --mirrored",
            )

    def maps(self, scene_id: str, mirrored: bool) -> tuple[Float[Tensor, "_ _ _"], ...]:
        """(channels, rows, columns) float32 at every tap."""
        row = self._rows[scene_id]
        found = []
        for tap in self.taps:
            items = self._arrays[tap + "_mirrored" * mirrored]
            rows, columns = self._sizes[tap][row]
            canvas = items.gather(self._slots[[row]])[0]
            found.append(torch.from_numpy(canvas[:, :rows, :columns].astype(np.float32)))
        return tuple(found)
