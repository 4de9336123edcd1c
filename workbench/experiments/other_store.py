"""Another store than the one that runs trained on: what is evaluated, and where results are kept.

RUN/evaluations/<store>-<digest>/<split>.json    results of one run, with the store's digest
TABLE/evaluations/<store>-<digest>/<split>/      a folder of a table, with the results of its runs

A run's own evaluations are one folder above, and stay as they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xxhash

from pipelines.store import open_store
from workbench.data.categories import MatchBy
from workbench.runs import Run
from workbench.runs.files import atomic_write, to_json
from workbench.runs.provenance import provenance
from workbench.training.training_data import TrainingData, data_of

ALL = "all"
"""Word for all splits of a store together."""
USUAL = "test"
"""Split that is evaluated by default, where a store has it; otherwise all are."""


@dataclass(frozen=True)
class OtherStore:
    """Evaluation on another store.

    Attributes:
        store: folder or URL of the store.
        split: name of a split; "all"; None: `USUAL` if the store has it, otherwise all.
        caches: stores of backbones' features of the store, to read instead of computing.
        match: what identifies a category of regions.
        device: "auto", "cpu" or "cuda".
        limit: largest number of items; None: all.
        threads: number of torch's threads; None: each run's own choice, see `LoopConfig`.
    """

    store: str
    split: str | None = None
    caches: tuple[str, ...] = ()
    match: MatchBy = "name"
    device: str = "auto"
    limit: int | None = None
    threads: int | None = None

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the store.

        Raises:
            PipelineError: there is no finished store.
        """
        return dict(open_store(self.store).attrs)

    @property
    def digest(self) -> str:
        """Digest of the store's contents."""
        return str(self.attributes["digest"])

    @property
    def chosen(self) -> str | None:
        """Split to open; None for all."""
        if self.split is None:
            return USUAL if USUAL in self.attributes.get("splits", ()) else None
        return None if self.split == ALL else self.split

    @property
    def name(self) -> str:
        """Name of the store, without its folder and ending."""
        return Path(self.store).name.removesuffix(".zarr")

    @property
    def words(self) -> str:
        """Split and store, for headings."""
        limit = "" if self.limit is None else f", at most {self.limit}"
        return f"{self.chosen or ALL} of {self.name}{limit}"

    def place(self, folder: Path) -> Path:
        """Place of the results of a run or of a table, without an ending.

        Args:
            folder: folder of the run or of the table.
        """
        limit = "" if self.limit is None else f"-{self.limit}"
        # Stores that differ in the names of their categories alone have one digest.
        names = json.dumps(self.attributes.get("categories", []), sort_keys=True)
        label = f"{self.name}-{xxhash.xxh3_64_hexdigest((self.digest + names).encode())[:8]}"
        return folder / "evaluations" / label / f"{self.chosen or ALL}{limit}"

    def keep(self, run: Run, **values: Any) -> None:
        """Write the results of a run, with what was evaluated."""
        place = self.place(run.path)
        about = {
            "store": self.store,
            "digest": self.digest,
            "split": self.chosen or ALL,
            "limit": self.limit,
            "provenance": provenance(),
        }
        with atomic_write(place.with_name(f"{place.name}.json")) as file:
            file.write(to_json(about | values).encode())


def is_own_store(run: Run, store: str) -> bool:
    """Whether a run trained on a store, wherever it is now.

    Raises:
        PipelineError: there is no finished store.
    """
    data, now = data_of(run), TrainingData.of(open_store(store).attrs)
    return data is not None and (data.digest, data.categories) == (now.digest, now.categories)
