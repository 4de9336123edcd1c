"""A training as a piece of work that can be sent somewhere else: plain values, and one call."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.runs.plain import from_plain, plain
from workbench.training.config import LoopConfig
from workbench.training.kinds import kind_of
from workbench.training.run_folders import Began

Beginning = tuple[float, int]
"""What tells one stretch of training in a folder from any other: when the run there was started,
and the number of the event that began the stretch."""


def beginning(path: Path) -> Beginning | None:
    """Of the latest stretch of training in a folder; None where there is no readable run."""
    try:
        run = Run.open(path)
        started = run.events("started")
        return (started[0].time, run.stretch) if started else None
    except (WorkbenchError, OSError):  # there is none yet, or it is just being deleted
        return None


@dataclass(frozen=True)
class Job:
    """What is to be trained.

    Attributes:
        config: how, as `LoopConfig.to_dict` has it; it says of what kind the run is.
        path: of the run folder, absolute.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.
        before: `beginning` of what was there when the job was made.
    """

    config: dict[str, Any]
    path: str
    resume: bool
    overwrite: bool
    before: Beginning | None

    @classmethod
    def of(cls, config: LoopConfig, path: Path | str, *, resume: bool, overwrite: bool) -> "Job":
        """The job of a training; arguments as `train` has them."""
        path = Path(path).absolute()
        return cls(config.to_dict(), str(path), resume, overwrite, beginning(path))

    @property
    def has_begun(self) -> bool:
        """Whether the run folder tells of this training, and no longer of what was there before."""
        now = beginning(Path(self.path))
        return now is not None and now != self.before

    def work(self, *, progress: bool = False, began: Began | None = None) -> None:
        """Train, to the end or until it is told to stop.

        Args:
            progress: whether it prints.
            began: called with the run once it is there.

        Raises:
            UserError: as `train_into` does; or somebody has begun this job already, and lost it.
        """
        if self.has_begun:
            raise WorkbenchError(
                f"a training at {self.path} that nobody has begun",
                "one that its worker has lost",
                "go on with it: workbench.train(…, resume=True)",
            )
        kind = kind_of(self.config)
        kind.find("train")(
            kind.find("config").from_dict(self.config),
            self.path,
            resume=self.resume,
            overwrite=self.overwrite,
            progress=progress,
            began=began,
        )

    def to_json(self) -> str:
        """To travel as text."""
        return json.dumps(plain(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Back from `to_json`."""
        return from_plain(cls, json.loads(text))
