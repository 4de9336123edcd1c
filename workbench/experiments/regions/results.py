"""Results of Table 1: what is kept of one seed of a column."""

from dataclasses import dataclass

from workbench.evaluation.regions.diagnosis import Diagnosis
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.experiments.tables.results import TableResult


@dataclass(frozen=True)
class RegionResult(TableResult):
    """Result of one seed of a column.

    Attributes:
        outcomes: outcomes on the test part.
        train_error: error on (at most a thousand of) the training regions, without augmentation.
        held_error: error on the regions held out of training; None where the column chooses its
            settings by cross-validation.
        entries: number of entries of the classified vector.
        parameters: number of parameters of the network, or of the linear classifier.
        minutes: duration of the training, by the clock of a machine that may have been busy.
        trained_per_second: regions a second over the whole training.
        tested_per_second: regions a second in testing.
        limits: diagnosis, see `evaluation.regions.diagnosis`; None without a network.
        chosen: values that the column chose by itself.
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
        """Error in words, for the terminal."""
        return f"error {100 * self.error:.1f} %"
