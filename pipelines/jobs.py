"""The pipeline as functions, for notebooks and for the command line: `plan`, `run`, `resume`.

from pipelines.jobs import run
summary = run("coco", "coco2017", "stores/coco.zarr")
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from distributed import Client

from pipelines.cluster import connect
from pipelines.datasets import KEYWORDS, options, prepare, prepare_again
from pipelines.errors import PipelineError, StoreError
from pipelines.execute import Summary, execute
from pipelines.ledger import Ledger
from pipelines.lock import exclusive
from pipelines.plan import Plan, Planned
from pipelines.sources import SOURCES
from pipelines.store import layout, read_attributes

DATA_VARIABLE = "WORKBENCH_DATA"
"""The environment variable that names a folder with BSDS500/, coco2017/, cifar10/ and others."""


def data_root(root: Path | str | None = None) -> Path:
    """The folder given, or the one of all datasets that WORKBENCH_DATA names.

    Raises:
        PipelineError: neither is given.
    """
    root = root or os.environ.get(DATA_VARIABLE)
    if not root:
        raise PipelineError(
            "a dataset's folder", "none", f"name one with --root or set {DATA_VARIABLE}"
        )
    return Path(root)


def plan(dataset: str, root: Path | str | None = None, **request: Any) -> Plan:
    """The plan that `run` would carry out; writes nothing.

    Args:
        dataset: name of a source: "bsds" (BSDS300 and BSDS500), "coco", "cifar10" or "images".
        root: the dataset's folder; default: what WORKBENCH_DATA names, but for "images".
        request: keyword arguments of `pipelines.datasets.prepare`: product, profile, unit, those
            of features, and the source's own options.

    Raises:
        PipelineError: the request makes no sense, or there is no dataset there.
    """
    return planned(dataset, root, **request).plan


def planned(dataset: str, root: Path | str | None = None, **request: Any) -> Planned:
    """The plan with its records, for `pipelines.estimate`."""
    offered = SOURCES[dataset].options if dataset in SOURCES else ()
    places = [each for each in offered if each.place and request.get(each.name)]
    if not root and places:
        # A path that is not relative means the same from whatever folder it is seen.
        request |= {each.name: str(Path(request[each.name]).resolve()) for each in places}
        root = next((request[each.name] for each in places if each.place == "folder"), None)
    if not root and dataset in SOURCES and not SOURCES[dataset].folder:
        raise PipelineError(
            f"a folder for {dataset}",
            "none",
            f"name one with --root: {DATA_VARIABLE} is for datasets that are downloaded",
        )
    return prepare(dataset, data_root(root), **request)


def run(
    dataset: str,
    root: Path | str | None,
    store: Path | str,
    *,
    overwrite: bool = False,
    client: Client | None = None,
    progress: bool = True,
    **arguments: Any,
) -> Summary:
    """Write a dataset's store, or finish it if it was begun with the same plan.

    Args:
        dataset, root: as `plan` has them.
        store: the folder to write.
        overwrite: delete a store of another plan that lies there.
        client: a Dask client to use; default: a cluster of its own.
        progress: show a bar.
        arguments: keyword arguments of `plan` and of `pipelines.cluster.connect` (workers,
            scheduler, memory_limit, …).

    Raises:
        PipelineError: the request cannot be carried out; nothing was changed.
        pipelines.execute.UnitError: some units failed; all others are done.
    """
    names = {*KEYWORDS, *options()}
    request = {name: value for name, value in arguments.items() if name in names}
    cluster = {name: value for name, value in arguments.items() if name not in names}
    store = Path(store)
    made = planned(dataset, root, **request)
    # The cluster first: an old store is given up only when a new one can be written.
    with exclusive(store), _connected(client, cluster) as connected:
        begin(made, store, overwrite=overwrite)
        return execute(made.plan, store, connected, progress=progress)


def resume(
    store: Path | str,
    *,
    root: Path | str | None = None,
    redo: Iterable[int] = (),
    retry_quarantined: bool = False,
    client: Client | None = None,
    progress: bool = True,
    **cluster: Any,
) -> Summary:
    """Finish a store by the plan in its ledger; the dataset is not searched again.

    Args:
        store: the store's folder.
        root: where the dataset lies, if it was moved.
        redo: units to write again although they are done, to mend damage.
        retry_quarantined: write the units with quarantined items again, because the causes are
            mended.
        client, progress, cluster: as `run` has them.
    """
    store = Path(store)
    read_attributes(store)
    ledger = Ledger(store)
    with exclusive(store), _connected(client, cluster) as connected:
        made = ledger.plan()
        if root is not None:
            moved = prepare_again(made, Path(root))
            begin(moved, store)
            made = moved.plan
        again = set(redo)
        if retry_quarantined:
            again |= {mark.index for mark in ledger.marks().values() if mark.quarantined}
        return execute(made, store, connected, redo=again, table=True, progress=progress)


def begin(made: Planned, store: Path, *, overwrite: bool = False) -> None:
    """Make sure that a store and a ledger of this plan are there.

    Raises:
        StoreError: what lies there is another plan's, or no store at all.
    """
    ledger = Ledger(store)
    if not overwrite and store.exists():
        found = ledger.plan().fingerprint
        if found != made.plan.fingerprint:
            raise StoreError(
                f"the store of this plan ({made.plan.fingerprint[:12]}) in {store}",
                f"one of another plan ({found[:12]}), with other inputs or parameters",
                "name another --store, or give --overwrite to replace it",
            )
        read_attributes(store)
        ledger.open(made.plan)  # the dataset may have been moved since
        return
    layout.remove(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    # The store last: one that lies there always has its ledger.
    ledger.open(made.plan, made.records)
    layout.create(made.plan, store)


def _connected(client: Client | None, cluster: dict[str, Any]) -> AbstractContextManager[Client]:
    """The client that was given, left open at the end, or one of its own."""
    return nullcontext(client) if client is not None else connect(**cluster)
