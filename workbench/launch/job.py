"""Training as a job that can be sent to another process: plain values and one call."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.config import DeepNCutsConfig
from workbench.training.region_config import RegionConfig
from workbench.training.run_folders import Began

TrainingConfig = DeepNCutsConfig | RegionConfig
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
        config: configuration as `to_dict` returns it.
        regions: whether a region classifier is trained; otherwise a DeepNCuts.
        path: absolute path of the run folder.
        resume: continue the existing run.
        overwrite: delete the existing run first.
        before: `latest_start` of the folder when the job was made.
    """

    config: dict[str, Any]
    regions: bool
    path: str
    resume: bool
    overwrite: bool
    before: Start | None

    @classmethod
    def of(
        cls, config: TrainingConfig, path: Path | str, *, resume: bool, overwrite: bool
    ) -> "Job":
        """Job of a training; arguments as `train`."""
        path = Path(path).absolute()
        regions = isinstance(config, RegionConfig)
        return cls(config.to_dict(), regions, str(path), resume, overwrite, latest_start(path))

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
            UserError: as `train_deep_ncuts` and `train_regions`; or a worker has begun the job
                already and was lost.
        """
        if self.has_begun:
            raise WorkbenchError(
                f"a training at {self.path} that nobody has begun",
                "one that its worker has lost",
                "go on with it: workbench.train(…, resume=True)",
            )
        how: dict[str, Any] = {
            "resume": self.resume, "overwrite": self.overwrite, "progress": progress,
            "began": began,
        }  # fmt: skip
        if self.regions:
            from workbench.experiments.regions.training import train_regions

            train_regions(RegionConfig.from_dict(self.config), self.path, **how)
        else:
            from workbench.experiments.scenes.training import train_deep_ncuts

            train_deep_ncuts(DeepNCutsConfig.from_dict(self.config), self.path, **how)

    def to_json(self) -> str:
        """Job as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Job from the text of `to_json`."""
        values = json.loads(text)
        before = values.pop("before")
        return cls(**values, before=None if before is None else (before[0], before[1]))
