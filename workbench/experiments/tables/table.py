"""Definition of a table: columns that are trained with several seeds, evaluated and summarised.

A new table states its columns (`TableColumn`), the settings of a command (`TableRequest`), the
result that is kept (`TableResult`), and how a column is evaluated and all are summarised (`Table`).
`run_columns` and `assemble` do the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from workbench.errors import WorkbenchError
from workbench.experiments.other_store import OtherStore
from workbench.experiments.tables.results import Own, TableResult
from workbench.training.config import Precision

FROZEN = "-frozen"
"""End of the name of a column's variant whose backbone keeps its weights."""


@dataclass(frozen=True)
class TableColumn(ABC):
    """Method of a table.

    Attributes:
        name: name on the command line and in folders.
        title: title in the table; the paper's, where the paper has the column.
        minutes: approximate duration of one seed, on two cores.
        against: names of the columns that it is tested against.
        varies: name of the column whose variant with a frozen backbone this is; empty: no variant.
    """

    name: str
    title: str
    minutes: int
    against: tuple[str, ...] = ()
    varies: str = ""

    @property
    @abstractmethod
    def trained(self) -> bool:
        """Whether the column is trained; all seeds of an untrained one are the same."""

    @property
    @abstractmethod
    def command(self) -> str:
        """Command that runs the column again."""

    @property
    def freezable(self) -> bool:
        """Whether the column's backbone can keep its weights."""
        return True

    @property
    def family(self) -> str:
        """Name that the column shares with its variant."""
        return self.varies or self.name

    def frozen_variant(self: Own) -> Own:
        """Variant whose backbone keeps its weights; the column itself where there is none."""
        return self


@dataclass(frozen=True)
class TableRequest:
    """Settings that all columns of a table share; each table's subclass adds its own.

    Attributes:
        store: path of the zarr store.
        out: folder of the table.
        seeds: seeds of the trainings of every trained column.
        features: by a column's name, a store of its frozen backbone's features.
        passes: passes over the training data; None: each column's own.
        limit: largest number of items; None: all.
        device: "auto", "cpu" or "cuda".
        precision: precision of convolutions in training, see `LoopConfig`.
        threads: number of torch's threads; None: each column's own choice, see `LoopConfig`.
    """

    store: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    features: tuple[tuple[str, str], ...] = ()
    passes: int | None = None
    limit: int | None = None
    device: str = "auto"
    precision: Precision = "32-true"
    threads: int | None = None

    def features_of(self, column: TableColumn) -> str | None:
        """Store of features for a column; None without one."""
        return dict(self.features).get(column.family)


C = TypeVar("C", bound=TableColumn)
R = TypeVar("R", bound=TableResult)
Q = TypeVar("Q", bound=TableRequest)


@dataclass(frozen=True)
class Finished(Generic[C, R]):
    """Column with the results of its seeds, in their order."""

    column: C
    results: tuple[R, ...]

    @property
    def seeds(self) -> list[int]:
        """Numbers of the seeds."""
        return [result.question["seed"] for result in self.results]


class Table(ABC, Generic[C, R, Q]):
    """Table, as `run_columns` and `assemble` need it.

    Attributes:
        name: name of its command and of its files.
        items: plural noun for the items of its store, for messages.
        columns: columns by name, in the order of the table.
        request, result: classes of its requests and results.
        variant_fills: whether a column counts as run when its frozen variant is.
        threads: whether the names of machines include the number of threads.
        learns_weights: whether its columns are networks with backbones, weights and passes.
    """

    name: str
    items: str
    columns: Mapping[str, C]
    request: type[Q]
    result: type[R]
    variant_fills: bool = False
    threads: bool = True
    learns_weights: bool = True

    @abstractmethod
    def question(self, request: Q) -> dict[str, Any]:
        """Question that all columns of a folder answer together, as plain values.

        Raises:
            PipelineError, WorkbenchError: the store or a part of it does not exist.
        """

    @abstractmethod
    def asked(self, request: Q, column: C, seed: int) -> dict[str, Any]:
        """Further question of one result, as plain values, with `column` and `seed` among them.

        Raises:
            WorkbenchError: weights do not exist.
        """

    @abstractmethod
    def evaluate(self, request: Q, column: C, seed: int, asked: dict[str, Any]) -> R:
        """Train a column as far as it is not trained yet, and evaluate it.

        Raises:
            PipelineError, WorkbenchError: something is missing or damaged, or a training diverged.
            KeyboardInterrupt: a training was stopped; it has a checkpoint.
        """

    @abstractmethod
    def summarise(
        self, found: Sequence[Finished[C, R]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Values of a table from its finished columns: `rows`, tests and others.

        Args:
            found: finished columns, at least one.
            question: question of the folder.
        """

    def question_elsewhere(
        self, found: Sequence[Finished[C, R]], other: OtherStore
    ) -> dict[str, Any]:
        """Question of a folder whose columns were trained on another store, see `question`.

        Args:
            found: finished columns.
            other: what is evaluated.

        Raises:
            WorkbenchError: columns of this table cannot be evaluated on another store.
        """
        raise WorkbenchError(
            "a table of trainings on regions or scenes, to evaluate it on another store",
            f"{self.name}",
            f"run it on that store: workbench {self.name} --store {other.store}",
        )

    def evaluate_elsewhere(
        self, folder: Path, found: Sequence[tuple[C, R]], other: OtherStore
    ) -> Iterator[tuple[C, R]]:
        """Results of columns on another store, in any order; those left out are said.

        Args:
            folder: folder of the table, with its runs.
            found: columns, each with the result of one seed.
            other: what is evaluated.

        Raises:
            PipelineError, WorkbenchError: the store or a run is not there.
        """
        raise NotImplementedError

    def with_variants(self, columns: Iterable[C] | None = None) -> list[C]:
        """Columns, by default all of the table's, each followed by its variant if it has one."""
        columns = self.columns.values() if columns is None else columns
        variants = {each.name: each for c in columns for each in (c, c.frozen_variant())}
        return list(variants.values())

    def columns_named(self, names: Sequence[str], frozen: bool = False) -> list[C]:
        """Columns to run, in the table's order.

        Args:
            names: names of columns; empty: all, or with frozen backbones all that can be frozen.
            frozen: take the variants whose backbones keep their weights.

        Raises:
            WorkbenchError: no column has such a name.
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
