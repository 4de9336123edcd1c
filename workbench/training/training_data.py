"""Store that a run trained on, as the run has it on record: digest, categories, frames.

A run of a version that did not record it is read from its training store, if that is still there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UserError
from pipelines.store import open_store
from workbench.data.categories import Categories
from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.runs.finding import resolved_path
from workbench.training.processes import place

EVENT = "data"
"""Kind of the event."""
FRAME = ("longest", "size")
"""Parameters of a store of regions that decide how a region lies in its frame, pixels."""


@dataclass(frozen=True)
class TrainingData:
    """Store that a run trained on.

    Attributes:
        digest: digest of the store's contents.
        categories: categories by number; None for stores without.
        frame: longest side of a region and side of its frame, by their names, pixels.
    """

    digest: str
    categories: Categories | None
    frame: Mapping[str, int]

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> "TrainingData":
        """Data on record from the attributes of a store."""
        parameters = attributes.get("parameters", {})
        return cls(
            str(attributes["digest"]),
            Categories.of(attributes) if attributes.get("categories") else None,
            {name: int(parameters[name]) for name in FRAME if name in parameters},
        )


def record_data(run: Run, attributes: Mapping[str, Any]) -> None:
    """Record the store of a training that begins; rank 0 writes."""
    if place()[0]:
        return
    data = TrainingData.of(attributes)
    known = data.categories or Categories(())
    run.append(
        EVENT, 0, digest=data.digest, names=known.names, ids=known.ids, frame=dict(data.frame)
    )


def data_of(run: Run) -> TrainingData | None:
    """Data that a run trained on; None where they are not on record and the store is gone."""
    for event in run.events(EVENT):
        found = event.fields
        names, ids = tuple(found["names"]), tuple(found["ids"])
        return TrainingData(
            found["digest"], Categories(names, ids) if names else None, found["frame"]
        )
    if "store" not in run.config:
        return None
    try:
        return TrainingData.of(open_store(resolved_path(run, run.config["store"])).attrs)
    except UserError:
        return None


def categories_of(run: Run, names: Sequence[str] = ()) -> Categories:
    """Categories that a run's network tells apart.

    Args:
        run: run with the network.
        names: names that are known from elsewhere, for runs without a record and store.

    Raises:
        WorkbenchError: they are not on record, and the training store is not there or has another
            number of categories.
    """
    data = data_of(run)
    classes = run.config["architecture"]["classes"]
    if data is None and len(names) == classes:
        return Categories(tuple(names))
    if data is None or data.categories is None or len(data.categories.names) != classes:
        raise WorkbenchError(
            f"the names of the {classes} categories of {run.path}",
            "neither a record of them nor its training store",
            f"put the store back at {run.config['store']}",
        )
    return data.categories
