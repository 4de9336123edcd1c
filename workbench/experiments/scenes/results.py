"""What is kept of a column of the table: one JSON file for each seed, and what it answers to.

A result remembers the question that it answers: configuration, seed, split, store and weights by
their content. Asked something else, it is refused by name and never used in silence.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.pool import PoolScores
from workbench.evaluation.scenes.scores import MethodScores
from workbench.runs.files import atomic_write, read_json_object, to_json


@dataclass(frozen=True)
class CutResult:
    """One way of cutting.

    Attributes:
        scores: of every image.
        seconds: an image, from the affinity's factors to the segmentations.
        heights: of a hierarchy's cuts; None of flat clusterings.
    """

    scores: MethodScores
    seconds: float
    heights: tuple[float, ...] | None


@dataclass(frozen=True)
class ColumnResult:
    """One seed of a column.

    Attributes:
        question: what was asked, plain values.
        provenance: see `runs.provenance`.
        cuts: by name.
        seconds_backbone: an image; None of a classical column.
        seconds_head: an image, from the backbone's maps to the factors; None likewise.
        rank: numerical rank of W, mean over the images; None where it is not known.
        effective_rank: likewise, see `linalg.Affinity.effective_rank`.
        effective_rank_before: of the network before its first step, mean over the scenes that its
            training held out; None without a training.
        effective_rank_after: of the trained network, on the same scenes.
    """

    question: dict[str, Any]
    provenance: dict[str, Any]
    cuts: dict[str, CutResult]
    seconds_backbone: float | None = None
    seconds_head: float | None = None
    rank: float | None = None
    effective_rank: float | None = None
    effective_rank_before: float | None = None
    effective_rank_after: float | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        values = asdict(self) | {
            "cuts": {
                name: {
                    "images": {id: asdict(s) for id, s in cut.scores.images.items()},
                    "seconds": cut.seconds,
                    "heights": cut.heights,
                }
                for name, cut in self.cuts.items()
            }
        }
        with atomic_write(path) as file:
            file.write(to_json(values).encode())

    @classmethod
    def read(cls, path: Path) -> "ColumnResult":
        """Back from `write`.

        Raises:
            WorkbenchError: the file is damaged, or another version's.
        """
        values = read_json_object(path)
        try:
            cuts = {
                name: CutResult(
                    MethodScores(name, {id: _scores(s) for id, s in cut["images"].items()}),
                    cut["seconds"],
                    None if cut["heights"] is None else tuple(cut["heights"]),
                )
                for name, cut in values["cuts"].items()
            }
            return cls(**values | {"cuts": cuts})
        except (KeyError, TypeError) as error:
            raise WorkbenchError(
                f"the result of a column in {path}",
                f"something else ({type(error).__name__}: {error})",
                "delete it, and it is evaluated again",
            ) from error


def _scores(values: Mapping[str, Any]) -> PoolScores:
    arrays: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
    return PoolScores(**arrays)
