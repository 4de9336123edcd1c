"""The pipeline as functions, for notebooks and for the command line: `plan`, `run`, `resume`.

from pipelines.jobs import run
summary = run("bsds", "BSDS500", "stores/bsds.zarr")
"""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from distributed import Client

from pipelines import store as stores
from pipelines.cluster import connect
from pipelines.errors import PipelineError
from pipelines.execute import Summary, execute
from pipelines.ledger import Ledger
from pipelines.plan import DEFAULT_UNIT, Plan, plan_bsds

PLANNERS: dict[str, Callable[..., Plan]] = {"bsds": plan_bsds}
"""The kinds of dataset, and what plans their stores."""
DATA_VARIABLE = "WORKBENCH_DATA"
"""The environment variable that names a folder with BSDS500/ and other datasets."""


def data_root(root: Path | str | None = None) -> Path:
    """The folder given, or the one that WORKBENCH_DATA names.

    Raises:
        PipelineError: neither is given.
    """
    root = root or os.environ.get(DATA_VARIABLE)
    if not root:
        raise PipelineError(
            "a dataset's folder", "none", f"name one with --root or set {DATA_VARIABLE}"
        )
    return Path(root)


def plan(
    kind: str,
    root: Path | str | None = None,
    *,
    protocol: str = "bsds300",
    unit: int = DEFAULT_UNIT,
) -> Plan:
    """What `run` would do.

    Args:
        kind: the kind of dataset; "bsds" reads BSDS300 and BSDS500.
        root: the dataset's folder; default: what WORKBENCH_DATA names.
        protocol: which image folders are train and test (`pipelines.sources.bsds.PROTOCOLS`).
        unit: scenes a task.

    Raises:
        PipelineError: no such kind, or no dataset there.
    """
    if kind not in PLANNERS:
        raise PipelineError(f"a kind out of {', '.join(PLANNERS)}", repr(kind), "name one of them")
    return PLANNERS[kind](data_root(root), protocol=protocol, unit=unit)


def run(
    kind: str,
    root: Path | str | None,
    store: Path | str,
    *,
    protocol: str = "bsds300",
    unit: int = DEFAULT_UNIT,
    overwrite: bool = False,
    client: Client | None = None,
    progress: bool = True,
    **cluster: Any,
) -> Summary:
    """Write a dataset's store, or finish it if it was begun with the same plan.

    Args:
        kind, root, protocol, unit: as `plan` has them.
        store: the folder to write.
        overwrite: delete a store of another plan that lies there.
        client: a Dask client to use; default: a cluster of its own.
        progress: show a bar.
        cluster: what `pipelines.cluster.connect` takes: workers, scheduler, memory_limit.

    Raises:
        PipelineError: nothing was done, and nothing lost, because of what it says.
        pipelines.execute.UnitError: some units failed; all others are done.
    """
    made = plan(kind, root, protocol=protocol, unit=unit)
    # The cluster first: an old store is given up only when a new one can be written.
    with _connected(client, cluster) as connected:
        begin(made, Path(store), overwrite=overwrite)
        return execute(made, Path(store), connected, progress=progress)


def resume(
    store: Path | str,
    *,
    root: Path | str | None = None,
    redo: Iterable[int] = (),
    client: Client | None = None,
    progress: bool = True,
    **cluster: Any,
) -> Summary:
    """Finish a store by the plan in its ledger; the dataset is not searched again.

    Args:
        store: the store's folder.
        root: where the dataset lies, if it was moved.
        redo: units to write again although they are done, to mend damage.
        client, progress, cluster: as `run` has them.
    """
    store = Path(store)
    stores.read_attributes(store)
    made = Ledger(store).plan()
    if root is not None:
        made = plan(made.kind, root, protocol=made.protocol, unit=made.unit)
        begin(made, store)
    with _connected(client, cluster) as connected:
        return execute(made, store, connected, redo=redo, progress=progress)


def begin(made: Plan, store: Path, *, overwrite: bool = False) -> None:
    """Make sure that a store and a ledger of this plan are there.

    Raises:
        StoreError: what lies there is another plan's, or no store at all.
    """
    ledger = Ledger(store)
    if not overwrite and store.exists():
        found = ledger.plan().fingerprint
        if found != made.fingerprint:
            raise stores.StoreError(
                f"the store of this plan ({made.fingerprint[:12]}) in {store}",
                f"one of another plan ({found[:12]}), with other inputs or parameters",
                "name another --store, or give --overwrite to replace it",
            )
        stores.read_attributes(store)
        ledger.open(made)  # the dataset may have been moved since
        return
    stores.remove(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    # The store last: one that lies there always has its ledger.
    ledger.open(made)
    stores.create(made, store)


def _connected(client: Client | None, cluster: dict[str, Any]) -> AbstractContextManager[Client]:
    """The client that was given, left open at the end, or one of its own."""
    return nullcontext(client) if client is not None else connect(**cluster)
