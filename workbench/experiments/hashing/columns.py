"""Columns of the hashing table: methods, what they may learn from, and the seed's figures.

The seed: Giryes, Sapiro and Bronstein's account of deep networks as metric learning, with GIST of
CIFAR-10. Its neural rows come from more labels than the 2,000 of the other methods, which are the
labels of the database itself; so networks have three columns each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.experiments.tables.table import TableColumn

Labels = Literal["some", "seen", "unseen"]
LABELS: Mapping[str, str] = {
    "some": "",
    "seen": "all labels, database seen",
    "unseen": "all labels, database unseen",
}
"""Labels to learn from, in words: a few of each class, all of the database, or half of all, and the
other half is the database. Methods without labels have the pool of the same part."""
RAW = "raw"
"""Column without codes: vectors ranked by Euclidean distance."""


@dataclass(frozen=True)
class HashingColumn(TableColumn):
    """Method of the hashing table; attributes common to all tables are in `TableColumn`.

    Attributes:
        method: name in `hashing.HASHERS`, or `RAW`.
        labels: labels to learn from.
        supervised: whether the method uses labels.
        paper: the seed's mAP in percent, by the number of bits; one for all under 0; empty: none.
        options: parameters of the method that differ from its own.
        more_bits: further numbers of bits, for the curve against them.
    """

    method: str = ""
    labels: Labels = "some"
    supervised: bool = True
    paper: Mapping[int, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    more_bits: tuple[int, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether seeds differ: in all columns, a seed draws queries, labels and method."""
        return True

    @property
    def command(self) -> str:
        """Command that runs the column."""
        return f"workbench hashing --store stores/cifar10.zarr --out hashing --column {self.name}"


def _at(*figures: float) -> dict[int, float]:
    return dict(zip((12, 24, 48), figures, strict=True))


def _neural(layers: int, paper: Mapping[int, float]) -> list[HashingColumn]:
    """Columns of a network in the three settings of labels."""
    title = f"neural hash, {'one layer' if layers == 1 else 'two layers'}"
    all_labels = {} if layers == 1 else {"hidden": 256}
    settings: tuple[tuple[str, Labels, str, int, dict[str, Any]], ...] = (
        ("", "some", "2,000 labels", 2, {}),
        ("-seen", "seen", LABELS["seen"], 3, {"passes": 6} | all_labels),
        ("-unseen", "unseen", LABELS["unseen"], 3, {"passes": 10} | all_labels),
    )
    return [
        HashingColumn(
            f"neural-{layers}{name}",
            f"{title}, {words}",
            minutes,
            against=("ksh",),
            method=f"neural-{layers}",
            labels=labels,
            paper=paper,
            options=options,
        )
        for name, labels, words, minutes, options in settings
    ]


HASHING_COLUMNS = {
    column.name: column
    for column in (
        HashingColumn(RAW, "raw vectors", 1, method=RAW, supervised=False, paper={0: 19.16}),
        HashingColumn(
            "lsh", "LSH, a random layer", 1, (RAW,), method="lsh", supervised=False,
            more_bits=(192, 768),
        ),
        HashingColumn("itq", "ITQ", 1, ("lsh",), method="itq", supervised=False),
        HashingColumn(
            "diff-hash", "DiffHash", 1, method="diff-hash", paper=_at(14.72, 13.35, 12.85)
        ),
        HashingColumn("lda-hash", "LDAHash", 1, ("diff-hash",), method="lda-hash"),
        HashingColumn(
            "ssh-stumps", "SSH, stumps", 2, method="ssh-stumps", paper=_at(15.42, 16.75, 17.06)
        ),
        HashingColumn(
            "ssh-eigenvector", "SSH, eigenvectors", 1, ("ssh-stumps",), method="ssh-eigenvector"
        ),
        HashingColumn(
            "agh-1", "AGH, one layer", 1, method="agh-1", supervised=False,
            paper=_at(15.46, 15.29, 15.15),
        ),
        HashingColumn(
            "agh-2", "AGH, two layers", 1, ("agh-1",), method="agh-2", supervised=False
        ),
        HashingColumn("ksh", "KSH", 3, method="ksh", paper=_at(25.79, 29.01, 30.84)),
        *_neural(1, _at(31.48, 35.41, 36.79)),
        *_neural(2, _at(45.42, 49.88, 50.46)),
    )
}  # fmt: skip
"""Columns by name, in the order of the table."""
