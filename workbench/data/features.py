"""Features of a frozen backbone for scenes and regions, read from a store."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from pipelines.store import open_items, open_store, valid_slots
from workbench.data.regions import Regions
from workbench.data.scenes import Scenes
from workbench.errors import WorkbenchError


class FeatureCache:
    """Maps at several taps for every scene of a store of scenes.

    Args:
        path: path of the store of features (`python -m pipelines run … --features`).

    Attributes:
        attributes: attributes of the store: backbone, taps, enlargement and weights.
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

    def check(self, scenes: Scenes, *, mirrored: bool = True, **expected: str | float) -> None:
        """Make sure that these are the features that a network would compute of scenes.

        Args:
            scenes: scenes that will be asked for.
            mirrored: whether their mirror images will be asked for too.
            expected: required attributes of the store: backbone, taps, enlarge, weights_sha256.

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
        if missing or mirrored > self.mirrored:
            raise WorkbenchError(
                f"features of all scenes{' and their mirror images' * mirrored} in {self.path}",
                f"none of {missing[0]}" if missing else "none of mirror images",
                f"write them from the same dataset{', with --mirrored' * mirrored}",
            )

    def maps(self, scene_id: str, mirrored: bool) -> tuple[Float[Tensor, "_ _ _"], ...]:
        """Maps (channels, rows, columns) float32 of a scene at every tap."""
        row = self._rows[scene_id]
        found = []
        for tap in self.taps:
            items = self._arrays[tap + "_mirrored" * mirrored]
            rows, columns = self._sizes[tap][row]
            canvas = items.gather(self._slots[[row]])[0]
            found.append(torch.from_numpy(canvas[:, :rows, :columns].astype(np.float32)))
        return tuple(found)


REMEDY = (
    "write them: python -m pipelines run coco --features alexnet:relu5 --mirrored --weights … "
    "--store …"
)


class RegionFeatures:
    """Maps at one tap for every region of a store of regions, and for their mirror images.

    Args:
        path: path of the store of features (`python -m pipelines run coco --features …`).

    Attributes:
        attributes: attributes of the store: backbone, tap, enlargement and weights.
        shape: channels, rows and columns of the maps.

    Raises:
        pipelines.errors.PipelineError: there is no finished store at that path.
        WorkbenchError: the store holds something else.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        table = open_store(path)
        if "taps" not in table.attrs or "region" not in table.dims:
            raise WorkbenchError(
                f"a store of regions' features in {path}",
                f"one of kind {table.attrs.get('kind')}",
                REMEDY,
            )
        self.attributes = dict(table.attrs)
        tap = str(self.attributes["taps"])
        self.mirrored = f"{tap}_mirrored" in table
        self._upright = open_items(path, tap)
        self._reversed = open_items(path, f"{tap}_mirrored") if self.mirrored else None
        self.shape: tuple[int, ...] = self._upright.shape[1:]
        ids = table["annotation_id"].values
        self._order = np.argsort(ids)
        self._ids, self._slots = ids[self._order], valid_slots(path)[self._order]

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        mirrored = " and of their mirror images" if self.mirrored else ""
        return f"{self.attributes['taps']} of {len(self)} regions{mirrored}, in {self.path}"

    def check(self, regions: Regions, *, mirrored: bool = True, **expected: str | float) -> None:
        """Make sure that these are the features that a network would compute of regions.

        Args:
            regions: regions that will be asked for.
            mirrored: whether their mirror images will be asked for too.
            expected: required attributes of the store: backbone, taps, enlarge, weights_sha256.

        Raises:
            WorkbenchError: they are of other regions or of another backbone, or lack the mirrors.
        """
        own, theirs = (
            attrs.get("parameters", {}) for attrs in (self.attributes, regions.table.attrs)
        )
        frames = {name: theirs.get(name) for name in ("longest", "size")}
        for name, value in {**expected, **frames}.items():
            found = own.get(name) if name in frames else self.attributes[name]
            if found != value:
                raise WorkbenchError(
                    f"features with {name} {value} in {self.path}", f"{found}", REMEDY
                )
        missing = ~np.isin(regions.table["annotation_id"].values, self._ids)
        if missing.any() or mirrored > self.mirrored:
            raise WorkbenchError(
                f"features of all regions{' and their mirror images' * mirrored} in {self.path}",
                f"none of {missing.sum()} regions" if missing.any() else "none of mirror images",
                REMEDY,
            )

    def maps(
        self, regions: Regions, positions: np.ndarray, mirrored: Bool[np.ndarray, "batch"]
    ) -> Float32[Tensor, "batch channels rows columns"]:
        """Maps of some regions.

        Args:
            regions: regions that `check` has seen, or some of them.
            positions: positions among these.
            mirrored: for each position whether its mirror image is wanted.

        Raises:
            StoreError: an item is missing or damaged.
        """
        ids = regions.table["annotation_id"].values[positions]
        slots = self._slots[np.searchsorted(self._ids, ids)]
        found = np.empty((len(slots), *self.shape), np.float32)
        found[~mirrored] = self._upright.gather(slots[~mirrored])
        if self._reversed is not None and mirrored.any():
            found[mirrored] = self._reversed.gather(slots[mirrored])
        return torch.from_numpy(found)
