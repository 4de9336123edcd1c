"""The hashing table: how its columns are evaluated by `experiments.tables`.

    DIR/results/<column>/seed0.json     figures of one split (`results`)
    DIR/rankings/<column>.npz           nearest images of a query of each class, of the first split

A seed is a split: it draws queries and labels, the same for all columns, and what a method draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.data import Images
from workbench.experiments.hashing.columns import HASHING_COLUMNS, RAW, HashingColumn
from workbench.experiments.hashing.evaluate import evaluate_column, split_of
from workbench.experiments.hashing.results import HashingResult
from workbench.experiments.hashing.summary import summarise_columns
from workbench.experiments.tables.table import Finished, Table, TableRequest
from workbench.hashing import HASHERS


@dataclass(frozen=True)
class HashingRequest(TableRequest):
    """Settings that all columns of the hashing table share.

    Attributes:
        bits: lengths of codes.
        queries: queries of each class.
        labelled: labelled images of each class, where a column has not all labels.
    """

    bits: tuple[int, ...] = (12, 24, 48)
    queries: int = 100
    labelled: int = 200

    @cached_property
    def images(self) -> Images:
        """Images of the store, all splits together."""
        return Images.open(self.store)


class HashingTable(Table[HashingColumn, HashingResult, HashingRequest]):
    """Hashing table: mean average precision of binary codes on CIFAR-10."""

    name = "hashing"
    items = "images with features"
    columns = HASHING_COLUMNS
    request = HashingRequest
    result = HashingResult
    learns_weights = False

    def question(self, request: HashingRequest) -> dict[str, Any]:
        """Question of a folder: all its columns rank the same images for the same queries."""
        images = request.images
        return {
            "store": images.table.attrs["fingerprint"],
            "features": "+".join(images.taps),
            "images": len(images),
            "classes": list(images.names),
            "bits": sorted(set(request.bits)),
            "queries": request.queries,
            "labelled": request.labelled,
        }

    def asked(self, request: HashingRequest, column: HashingColumn, seed: int) -> dict[str, Any]:
        """Question of a result: the split, the method with its parameters, and the labels."""
        hasher = {} if column.method == RAW else asdict(HASHERS[column.method](1, **column.options))
        own = {k: v for k, v in hasher.items() if k not in ("bits", "seed", "features")}
        return {
            "column": column.name,
            "seed": seed,
            "labels": column.labels,
            "parameters": own,
            "more_bits": list(column.more_bits),
        }

    def evaluate(
        self, request: HashingRequest, column: HashingColumn, seed: int, asked: dict[str, Any]
    ) -> HashingResult:
        """Learn, encode and rank on one split."""
        split = split_of(request.images, column, request.queries, request.labelled, seed)
        pictures = None if seed else rankings_path(request.out, column.name)
        return evaluate_column(split, column, request.bits, seed, asked, pictures)

    def summarise(
        self, found: Sequence[Finished[HashingColumn, HashingResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of the table, see `summary`."""
        return summarise_columns(found, question)


def rankings_path(out: Path, column: str) -> Path:
    """File of a column's nearest images."""
    return out / "rankings" / f"{column}.npz"


HASHING = HashingTable()
