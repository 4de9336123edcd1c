"""What is kept of a column of Table 1: one JSON file for each seed, and what it answers to.

As in `column_results`, a result remembers the question that it answers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.diagnosis import Limits
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.runs.files import atomic_write, read_json_object, to_json
from workbench.runs.plain import from_plain, plain


@dataclass(frozen=True)
class RegionResult:
    """One seed of a column.

    Attributes:
        question: what was asked, plain values.
        provenance: see `runs.provenance`.
        outcomes: on the test part.
        train_error: on (at most a thousand of) the training regions, as they are.
        held_error: on the regions that were held out of training; None of a column that chooses
            what it has to choose by cross-validation.
        entries: of the vector that is classified.
        parameters: of the network, or of the linear classifier.
        minutes: of training, by the clock of a machine that may have been busy.
        trained_per_second: regions, over the whole of the training.
        tested_per_second: regions.
        limits: see `evaluation.regions.diagnosis`; None without a network.
        chosen: what the column chose by itself.
    """

    question: dict[str, Any]
    provenance: dict[str, Any]
    outcomes: Outcomes
    train_error: float | None
    held_error: float | None
    entries: int
    parameters: int
    minutes: float
    trained_per_second: float | None
    tested_per_second: float | None
    limits: Limits | None = None
    chosen: dict[str, float] | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        values = vars(self) | {
            "outcomes": plain(self.outcomes),
            "limits": self.limits and plain(self.limits),
        }
        with atomic_write(path) as file:
            file.write(to_json(values).encode())

    @classmethod
    def read(cls, path: Path) -> "RegionResult":
        """Back from `write`.

        Raises:
            WorkbenchError: the file is damaged, or another version's.
        """
        values = read_json_object(path)
        try:
            outcomes = from_plain(Outcomes, values["outcomes"], "evaluate the model again")
            limits = values["limits"] and from_plain(Limits, values["limits"])
            return cls(**values | {"outcomes": outcomes, "limits": limits})
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(
                f"the result of a column in {path}",
                f"something else ({type(error).__name__}: {error})",
                "delete it, and it is evaluated again",
            ) from error
