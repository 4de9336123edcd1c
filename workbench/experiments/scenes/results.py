"""What is kept of one seed of a column of Table 2."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.evaluation.scenes.pool import PoolScores
from workbench.experiments.tables.results import TableResult, converted


@dataclass(frozen=True)
class CutResult:
    """One way of cutting.

    Attributes:
        images: scores by the image's id.
        seconds: an image, from the affinity's factors to the segmentations.
        heights: of a hierarchy's cuts; None of flat clusterings.
    """

    images: Mapping[str, PoolScores]
    seconds: float
    heights: tuple[float, ...] | None


@dataclass(frozen=True)
class ColumnResult(TableResult):
    """One seed of a column.

    Attributes:
        cuts: by name.
        seconds_backbone: an image; None of a classical column.
        seconds_head: an image, from the backbone's maps to the factors; None likewise.
        rank: numerical rank of W, mean over the images; None where it is not known.
        effective_rank: likewise, see `linalg.Affinity.effective_rank`.
        effective_rank_before: of the network before its first step, mean over the scenes that its
            training held out; None without a training.
        effective_rank_after: of the trained network, on the same scenes.
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
        """Scores image by image: each has annotators of its own."""
        for cut in values["cuts"].values():
            cut["images"] = {id: converted(each, PoolScores) for id, each in cut["images"].items()}
        return values
