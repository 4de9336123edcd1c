"""Table of methods, image by image and in the mean: as text, markdown, HTML and JSON.

The first method is the baseline: the table has the differences of all others from it, paired by
image.
"""

import json
from dataclasses import asdict, dataclass
from html import escape
from itertools import chain
from typing import Any

from workbench.errors import WorkbenchError
from workbench.evaluation.cells import chance, interval, number
from workbench.evaluation.rendering import Rows, as_html, as_markdown, as_text
from workbench.evaluation.scenes.scores import MethodScores, Summary, compare
from workbench.evaluation.statistics import Difference

_PER_IMAGE = {"best": "best", "average": "average", "pri": "PRI", "vi": "VI"}
_COMPARED = ("best", "average")


@dataclass(frozen=True)
class BenchmarkTable:
    """Scores of several methods on one set of images.

    Attributes:
        methods: scores, the baseline first; all with the same images and different names.
        seed: seed of the bootstrap.

    Raises:
        WorkbenchError: there is no method, two share a name, or their images differ.
    """

    methods: tuple[MethodScores, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        names = [scores.method for scores in self.methods]
        if not names or len(set(names)) < len(names):
            raise WorkbenchError(
                "methods of different names", f"{names}", "give each one a name of its own"
            )
        if any(scores.images.keys() != self.methods[0].images.keys() for scores in self.methods):
            raise WorkbenchError(
                "the same images for every method of a table",
                ", ".join(f"{scores.method}: {len(scores.images)}" for scores in self.methods),
                "evaluate all on the same split of the same store",
            )

    def summaries(self) -> dict[str, Summary]:
        """Summary of each method, by its name."""
        return {scores.method: scores.summary(self.seed) for scores in self.methods}

    def differences(self) -> dict[str, dict[str, Difference]]:
        """Difference of each other method from the first, by method and measure (best, average)."""
        baseline, *others = self.methods
        return {
            scores.method: {
                measure: compare(scores, baseline, measure, self.seed) for measure in _COMPARED
            }
            for scores in others
        }

    def image_rows(self) -> Rows:
        """Rows of the images: best and average covering, PRI, VI (bits), methods side by side."""
        frames = [scores.per_image() for scores in self.methods]
        only = len(self.methods) == 1
        header = ["image"] + [
            label if only else f"{label} {scores.method}"
            for label in _PER_IMAGE.values()
            for scores in self.methods
        ]
        body = [
            [image] + [number(frame.loc[image, key]) for key in _PER_IMAGE for frame in frames]
            for image in self.methods[0].images
        ]
        return [header, *body]

    def mean_rows(self) -> Rows:
        """Rows of the methods: the paper's coverings, then the benchmark's measures."""
        header = [
            "method", "images", "best", "± s.e.", "95 %", "average", "± s.e.", "95 %",
            "ODS", "OIS", "best (benchmark)", "PRI ODS", "PRI OIS", "VI ODS", "VI OIS",
        ]  # fmt: skip
        body = []
        for name, means in self.summaries().items():
            estimates = [
                [number(e.mean), number(e.standard_error), interval(e.low, e.high)]
                for e in (means.best, means.average)
            ]
            choices = [
                [number(c.ods), number(c.ois)] for c in (means.covering, means.pri, means.vi)
            ]
            covering, pri, vi = choices
            benchmark_best = [number(means.benchmark_best)]
            body.append(
                [name, str(means.images), *chain(*estimates, covering, benchmark_best, pri, vi)]
            )
        return [header, *body]

    def difference_lines(self) -> list[str]:
        """Sentences on the differences, one for each other method and each measure."""
        return [
            f"{name} − {self.methods[0].method}, {measure} covering: {d.mean:+.3f} "
            f"{interval(d.low, d.high)}, p {_equal(chance(d.p))} (paired, {d.images} images)"
            for name, by_measure in self.differences().items()
            for measure, d in by_measure.items()
        ]

    def to_text(self, images: bool = True) -> str:
        """Table with aligned columns, for a terminal.

        Args:
            images: whether rows of the images precede the means.
        """
        parts = [as_text(self.image_rows())] if images else []
        parts += [as_text(self.mean_rows()), "\n".join(self.difference_lines())]
        return "\n\n".join(part for part in parts if part)

    def to_markdown(self, images: bool = False) -> str:
        """Tables in markdown; arguments as `to_text`."""
        parts = [as_markdown(self.image_rows())] if images else []
        lines = "\n".join(f"- {line}" for line in self.difference_lines())
        parts += [as_markdown(self.mean_rows()), lines]
        return "\n\n".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Table as plain values: strict JSON, NaN as None."""
        values = {
            "methods": {
                scores.method: {
                    "mean": asdict(scores.summary(self.seed)),
                    "images": {name: pool.to_dict() for name, pool in scores.images.items()},
                }
                for scores in self.methods
            },
            "differences": {
                name: {measure: asdict(d) for measure, d in by_measure.items()}
                for name, by_measure in self.differences().items()
            },
        }
        return _without_nan(values)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.difference_lines())
        return as_html(self.mean_rows()) + (f"<ul>{lines}</ul>" if lines else "")


def _equal(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    """Tree with None in place of NaN, which strict JSON does not have."""
    plain: dict[str, Any] = json.loads(json.dumps(values), parse_constant=lambda _: None)
    return plain
