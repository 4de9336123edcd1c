"""What is kept of one seed of a column of Table 1."""

from dataclasses import dataclass

from workbench.evaluation.regions.diagnosis import Diagnosis
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.experiments.tables.results import TableResult


@dataclass(frozen=True)
class RegionResult(TableResult):
    """One seed of a column.

    Attributes:
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

    outcomes: Outcomes
    train_error: float | None
    held_error: float | None
    entries: int
    parameters: int
    minutes: float
    trained_per_second: float | None
    tested_per_second: float | None
    limits: Diagnosis | None = None
    chosen: dict[str, float] | None = None

    @property
    def error(self) -> float:
        """Share of the test regions whose category was not predicted."""
        return float((self.outcomes.rank > 0).mean())

    @property
    def said(self) -> str:
        """The error."""
        return f"error {100 * self.error:.1f} %"
