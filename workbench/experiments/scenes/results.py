"""Results of Table 2: what is kept of one seed of a column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.evaluation.scenes.pool import PoolScores
from workbench.experiments.tables.results import TableResult, converted


@dataclass(frozen=True)
class CutResult:
    """Result of one way of cutting.

    Attributes:
        images: scores by the image's id.
        seconds: seconds an image, from the affinity's factors to the segmentations.
        heights: heights of a hierarchy's cuts; None for flat clusterings.
    """

    images: Mapping[str, PoolScores]
    seconds: float
    heights: tuple[float, ...] | None


@dataclass(frozen=True)
class ColumnResult(TableResult):
    """Result of one seed of a column.

    Attributes:
        cuts: results by the name of the cut.
        seconds_backbone: seconds an image in the backbone; None for a classical column.
        seconds_head: seconds an image, from the backbone's maps to the factors; None if classical.
        rank: numerical rank of W, mean over the images; None where it is not known.
        effective_rank: effective rank of W, mean over the images, see
            `linalg.Affinity.effective_rank`; None where it is not known.
        effective_rank_before: effective rank before the first step, mean over the scenes held out
            of training; None without a training.
        effective_rank_after: effective rank after the training, on the same scenes.
    """

    cuts: dict[str, CutResult]
    seconds_backbone: float | None = None
    seconds_head: float | None = None
    rank: float | None = None
    effective_rank: float | None = None
    effective_rank_before: float | None = None
    effective_rank_after: float | None = None

    @classmethod
    def prepared(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Values with the scores converted image by image: the numbers of annotators differ."""
        for cut in values["cuts"].values():
            cut["images"] = {id: converted(each, PoolScores) for id, each in cut["images"].items()}
        return values
