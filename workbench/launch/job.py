"""A training as a piece of work that can be sent somewhere else: plain values, and one call."""

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
"""What tells one stretch of training in a folder from any other: when the run there was started,
and the number of the event that began the stretch."""


def latest_start(path: Path) -> Start | None:
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
        config: how, as `to_dict` has it.
        regions: whether it is of a region classifier; otherwise of a DeepNCuts.
        path: of the run folder, absolute.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.
        before: `latest_start` of what was there when the job was made.
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
        """The job of a training; arguments as `train` has them."""
        path = Path(path).absolute()
        regions = isinstance(config, RegionConfig)
        return cls(config.to_dict(), regions, str(path), resume, overwrite, latest_start(path))

    @property
    def has_begun(self) -> bool:
        """Whether the run folder tells of this training, and no longer of what was there before."""
        now = latest_start(Path(self.path))
        return now is not None and now != self.before

    def work(self, *, progress: bool = False, began: Began | None = None) -> None:
        """Train, to the end or until it is told to stop.

        Args:
            progress: whether it prints.
            began: called with the run once it is there.

        Raises:
            UserError: as `train_deep_ncuts` and `train_regions` do; or somebody has begun this job
                already, and lost it.
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
        """To travel as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Back from `to_json`."""
        values = json.loads(text)
        before = values.pop("before")
        return cls(**values, before=None if before is None else (before[0], before[1]))
