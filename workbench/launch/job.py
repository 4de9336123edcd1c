"""Training as a job that can be sent to another process: plain values and one call."""

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

Start = tuple[float, int]
"""Identity of a stretch of training in a folder: start time of the run, and number of the event
that began the stretch."""


def latest_start(path: Path) -> Start | None:
    """Start of the latest stretch of training in a folder; None without a readable run."""
    try:
        run = Run.open(path)
        started = run.events("started")
        return (started[0].time, run.stretch) if started else None
    except (WorkbenchError, OSError):  # no run yet, or one that is just being deleted
        return None


@dataclass(frozen=True)
class Job:
    """Training to be done.

    Attributes:
        config: configuration as `LoopConfig.to_dict` has it, with the kind of the run.
        path: absolute path of the run folder.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.
        before: `latest_start` of the folder when the job was made.
    """

    config: dict[str, Any]
    path: str
    resume: bool
    overwrite: bool
    before: Start | None

    @classmethod
    def of(cls, config: LoopConfig, path: Path | str, *, resume: bool, overwrite: bool) -> "Job":
        """Job of a training; arguments as `train`."""
        path = Path(path).absolute()
        return cls(config.to_dict(), str(path), resume, overwrite, latest_start(path))

    @property
    def has_begun(self) -> bool:
        """Whether the run folder holds this training, and no longer what was there before."""
        now = latest_start(Path(self.path))
        return now is not None and now != self.before

    def work(self, *, progress: bool = False, began: Began | None = None) -> None:
        """Train to the end, or until a command to stop.

        Args:
            progress: whether to print progress.
            began: function that is called with the run once it exists.

        Raises:
            UserError: as `train_into`; or a worker has begun the job already and was lost.
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
        """Job as JSON text."""
        return json.dumps(plain(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Job from the text of `to_json`."""
        return from_plain(cls, json.loads(text))
