"""What a table is: columns that are trained with several seeds, evaluated and summarised.

A new table states its columns (`TableColumn`), what a command asks (`TableRequest`), what is kept
(`TableResult`) and how a column is evaluated and all are summarised (`Table`). The rest is
`run_columns` and `assemble`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from workbench.errors import WorkbenchError
from workbench.experiments.tables.results import Own, TableResult
from workbench.training.config import Precision

FROZEN = "-frozen"
"""Ends the name of a column's variant whose backbone keeps its weights."""


@dataclass(frozen=True)
class TableColumn(ABC):
    """One method of a table.

    Attributes:
        name: on the command line and in folders.
        title: in the table; the paper's, where it has the column.
        minutes: one seed takes about so long, on two cores.
        against: the columns that it is tested against.
        varies: the column whose variant with a frozen backbone this is; empty: it is none.
    """

    name: str
    title: str
    minutes: int
    against: tuple[str, ...] = ()
    varies: str = ""

    @property
    @abstractmethod
    def trained(self) -> bool:
        """Whether it is trained; all seeds of one that is not are the same."""

    @property
    @abstractmethod
    def command(self) -> str:
        """The command that makes it again."""

    @property
    def freezable(self) -> bool:
        """Whether its backbone can keep its weights."""
        return True

    @property
    def family(self) -> str:
        """The name that it shares with its variant."""
        return self.varies or self.name

    def frozen_variant(self: Own) -> Own:
        """The column whose backbone keeps its weights; itself where nothing would be another."""
        return self


@dataclass(frozen=True)
class TableRequest:
    """What all columns of a table share; a table adds its own.

    Attributes:
        store: zarr store.
        out: folder of the table.
        seeds: of the trainings of every column that is trained.
        features: by a column's name, a store of its frozen backbone's features.
        passes: over the training data; None: each column's own.
        limit: only so many items.
        device: "auto", "cpu" or "cuda".
        precision: of convolutions that are trained, see `LoopConfig`.
    """

    store: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    features: tuple[tuple[str, str], ...] = ()
    passes: int | None = None
    limit: int | None = None
    device: str = "auto"
    precision: Precision = "32-true"

    def features_of(self, column: TableColumn) -> str | None:
        """The store of features that a column was given."""
        return dict(self.features).get(column.family)


C = TypeVar("C", bound=TableColumn)
R = TypeVar("R", bound=TableResult)
Q = TypeVar("Q", bound=TableRequest)


@dataclass(frozen=True)
class Finished(Generic[C, R]):
    """A column with the results of its seeds, in their order."""

    column: C
    results: tuple[R, ...]

    @property
    def seeds(self) -> list[int]:
        """The numbers of the seeds."""
        return [result.question["seed"] for result in self.results]


class Table(ABC, Generic[C, R, Q]):
    """A table, as the machine needs it.

    Attributes:
        name: of its command and of its files.
        items: what its store has, for messages.
        columns: by name, in the order of the table.
        request, result: the kinds of its requests and results.
        variant_fills: whether a column counts as run once its frozen variant is.
        threads: whether machines are named with the threads that were used.
    """

    name: str
    items: str
    columns: Mapping[str, C]
    request: type[Q]
    result: type[R]
    variant_fills: bool = False
    threads: bool = True

    @abstractmethod
    def question(self, request: Q) -> dict[str, Any]:
        """What all columns of a folder answer together; plain values.

        Raises:
            PipelineError, WorkbenchError: the store or a part of it is not there.
        """

    @abstractmethod
    def asked(self, request: Q, column: C, seed: int) -> dict[str, Any]:
        """What one result answers besides; plain values, with `column` and `seed` among them.

        Raises:
            WorkbenchError: weights are not there.
        """

    @abstractmethod
    def evaluate(self, request: Q, column: C, seed: int, asked: dict[str, Any]) -> R:
        """Train a column as far as that is missing, and evaluate it.

        Raises:
            PipelineError, WorkbenchError: something is missing or damaged, or a training diverged.
            KeyboardInterrupt: a training was stopped, which has a checkpoint.
        """

    @abstractmethod
    def summarise(
        self, found: Sequence[Finished[C, R]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Rows, tests and what else a table says of its finished columns; `rows` among them.

        Args:
            found: at least one.
            question: of the folder.
        """

    def with_variants(self, columns: Iterable[C] | None = None) -> list[C]:
        """Columns, by default all of the table's, each followed by its variant if it has one."""
        columns = self.columns.values() if columns is None else columns
        variants = {each.name: each for c in columns for each in (c, c.frozen_variant())}
        return list(variants.values())

    def columns_named(self, names: Sequence[str], frozen: bool = False) -> list[C]:
        """The columns to run, in the table's order.

        Args:
            names: of columns; none: all, and with frozen backbones all that can be frozen.
            frozen: take the variants whose backbones keep their weights.

        Raises:
            WorkbenchError: there is no column of such a name.
        """
        if strangers := [name for name in names if name not in self.columns]:
            raise WorkbenchError(
                f"columns out of {', '.join(self.columns)}",
                ", ".join(strangers),
                "name one of them",
            )
        if not frozen:
            return [column for name, column in self.columns.items() if not names or name in names]
        return [
            column.frozen_variant()
            for name, column in self.columns.items()
            if (name in names if names else column.freezable)
        ]
