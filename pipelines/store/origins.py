"""Origins of a store's items: raw file, unit, quarantine, as the ledger has them.

A store that was copied without its ledger, or lies behind a URL, still has names and digests of its
raw files in its table; where they lie, and why an item is missing, only the ledger says.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.errors import StoreError
from pipelines.ledger import Ledger, Quarantined, UnitMark
from pipelines.store.attributes import Place, is_url, read_attributes


@dataclass(frozen=True)
class Origin:
    """Origin of one item.

    Attributes:
        slot: place of the item in the store, quarantined items counted.
        source: path of the raw file, relative to the dataset's folder.
        sha256: of the raw file when it was read.
        unit: number of the unit that wrote it.
        file: path of the raw file at the time; None where there is no ledger.
        mark: digest, bytes and quarantine of the unit; None where there is no ledger.
    """

    slot: int
    source: str
    sha256: str
    unit: int
    file: Path | None
    mark: UnitMark | None

    def check(self) -> bool:
        """Whether the raw file still is the one that was read.

        Raises:
            StoreError: the file is missing, or cannot be read.
        """
        if self.file is None:
            raise StoreError(
                f"the ledger that says where {self.source} lies",
                "a store without one",
                "look at it on the machine that wrote the store",
            )
        try:
            with self.file.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError as error:
            raise StoreError(
                f"the raw file {self.file}",
                f"{error.strerror or error}",
                "bring the dataset back to where the store was written from",
            ) from error


class Origins:
    """The origins of a store's items.

    Args:
        path: the store's folder or URL.

    Raises:
        StoreError: no store there.
        PipelineError: its ledger does not read.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self._unit = int(read_attributes(path)["unit"])
        ledger = None if is_url(path) else Ledger(path)
        self._ledger = ledger if ledger is not None and ledger.exists() else None

    @cached_property
    def root(self) -> Path | None:
        """The dataset's folder when the store was written; None where there is no ledger."""
        return None if self._ledger is None else Path(self._ledger.plan().root)

    @cached_property
    def marks(self) -> dict[int, UnitMark]:
        """The units that are done, by number; none where there is no ledger."""
        return {} if self._ledger is None else self._ledger.marks()

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The items that could not be read, by slot, each with its reason."""
        found = (item for mark in self.marks.values() for item in mark.quarantined)
        return tuple(sorted(found, key=lambda item: item.slot))

    def of(self, slot: int, source: str, sha256: str) -> Origin:
        """The origin of an item.

        Args:
            slot: place of the item in the store.
            source: `image_source` of the item in the table.
            sha256: its `image_sha256` in the table.
        """
        unit = slot // self._unit
        file = None if self.root is None else self.root / source
        return Origin(slot, source, sha256, unit, file, self.marks.get(unit))
