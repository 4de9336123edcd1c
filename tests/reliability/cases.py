"""Cases of runs that are killed: regions, scenes, images with features, and their results."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client

from pipelines import jobs
from pipelines.execute import Summary
from pipelines.ledger import Ledger
from pipelines.store import open_store
from pipelines.verify import verify
from tests.reliability import victims
from tests.reliability.processes import eventually, fork
from tests.reliability.steps import Trap

STORE = "a.zarr"
SMALL: dict[str, dict[str, Any]] = {
    "coco": {"unit": 8, "longest": 24, "size": 28},
    "bsds": {"unit": 2},
    "cifar10": {"unit": 8, "features": "gist"},
}
"""Requests to the pipeline: eight units of regions, four of scenes, four of images."""


@dataclass(frozen=True)
class Case:
    """A dataset in a profile, and what a run that nobody disturbed made of it.

    Attributes:
        dataset, profile: as the pipeline names them.
        root: the dataset's folder.
        files: content of every file that the run left, by its path beside the store.
        digest: the store's.
        units: how many there are.
        client_steps, worker_steps: by the client and by all workers together (`steps`).
    """

    dataset: str
    profile: str
    root: Path
    files: dict[str, bytes]
    digest: str
    units: int
    client_steps: int
    worker_steps: int

    @property
    def request(self) -> dict[str, Any]:
        """What `jobs.run` is asked for, beside dataset, root and store."""
        return {**SMALL[self.dataset], "profile": self.profile, "progress": False}

    def run(self, folder: Path, client: Client, **more: Any) -> Summary:
        """Run it into a folder of its own, or finish it there."""
        request = {**self.request, **more}
        return jobs.run(self.dataset, self.root, folder / STORE, client=client, **request)

    def fork(
        self, folder: Path, client: Client, trap: Trap, whose: str = "client", **more: Any
    ) -> Any:
        """The same as a process of its own, on the same cluster, with a trap for it."""
        arguments = (self.dataset, str(self.root), str(folder / STORE), {**self.request, **more})
        return fork(victims.run, trap, whose, client.scheduler.address, *arguments)

    def chance(self, seed: int) -> random.Random:
        """Where its kills come, by seed."""
        return random.Random(f"{self.dataset} {self.profile} {seed}")

    def finish(self, folder: Path, client: Client) -> None:
        """Finish what a kill has left, and hold it against the run that nobody disturbed.

        Only units without a mark are done again, and all files are the same, bit for bit.
        """
        before = marks_in(folder)
        begun = (folder / STORE).exists()
        if begun:
            found = jobs.resume(folder / STORE, client=client, progress=False)
        else:
            found = self.run(folder, client)
        assert (found.done, found.skipped) == (self.units - len(before), len(before))
        assert before.items() <= marks_in(folder).items(), "a mark was written again"
        self.is_whole(folder, found.digest)

    def is_whole(self, folder: Path, digest: str) -> None:
        """Hold a finished store, its ledger and what lies beside them against the undisturbed."""
        assert digest == self.digest
        found = files_in(folder)
        assert sorted(found) == sorted(self.files)
        assert not [name for name in found if found[name] != self.files[name]]
        assert verify(folder / STORE, progress=False).ok
        assert set(open_store(folder / STORE).sizes) >= {"y", "x", "channel"}


def idle(client: Client) -> None:
    """Wait for tasks that are under way, also those that have outlived their client."""

    def holds() -> bool:
        waits = client.run_on_scheduler(victims.waiting)
        return not waits and not any(client.run(victims.busy).values())

    eventually("tasks end", holds)


def files_in(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder, by relative path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def marks_in(folder: Path) -> dict[str, int]:
    """The marks of the store in a folder, with the times at which they were written."""
    ledger = Ledger(folder / STORE).folder
    return {path.name: path.stat().st_mtime_ns for path in ledger.glob("unit-*.json")}


Whole = Callable[[str, str], Case]
"""The case of a dataset and a profile, run once."""
