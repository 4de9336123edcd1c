"""Page of a run as one HTML file without any dependency: network, other files, notebook.

The page shows what was trained, the gain of the training, and its curves, for a reader who did not
run it. The kind of the run (`training.kinds`) adds the rest: `views.scenes.report` and
`views.regions.report`. Where the run does not have something yet, the page says so and states the
command for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.evaluation.cells import number
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.training.kinds import KINDS, kind_name
from workbench.views import wording
from workbench.views.figures import Figure, charts
from workbench.views.templating import render
from workbench.views.training import curves


@dataclass(frozen=True)
class Content:
    """Content of a page that depends on the kind of the run.

    Attributes:
        headline: the network in three words.
        summary: what was trained and how, in one or two sentences.
        curves: curves of the training.
        template: template that shows `values`; it extends report.html.
        values: values by their names in the template.
    """

    headline: str
    summary: str
    curves: list[Figure]
    template: str = "report.html"
    values: Mapping[str, Any] = field(default_factory=dict)


def write_report(run: Run, path: Path | str) -> Path:
    """Write the page of a run, whatever state it is in.

    Args:
        run: run to report on; it is only read.
        path: path of the file to write; its folder is created.

    Returns:
        Path of the file.
    """
    kind = KINDS.get(kind_name(run.config))
    found = _any_run(run) if kind is None else kind.find("report")(run)
    page = render(
        found.template,
        number=number,
        path=run.path,
        headline=found.headline,
        summary=found.summary,
        state=wording.state(run),
        facts=wording.where_and_when(run.provenance),
        curves=found.curves,
        config=json.dumps(run.config, indent=2),
        provenance=json.dumps(run.provenance, indent=2),
        **found.values,
    )
    with atomic_write(Path(path)) as file:
        file.write(page)
    return Path(path)


def evaluated_parts(run: Run, suffix: str = "") -> list[str]:
    """Names of the evaluated splits or parts, test first; files end with `suffix`.json."""
    ending = f"{suffix}.json"
    files = (run.path / "evaluations").glob(f"*{ending}")
    return sorted((f.name.removesuffix(ending) for f in files), key=lambda n: (n != "test", n))


def _any_run(run: Run) -> Content:
    """Content for a run of an unknown kind: its curves."""
    metrics = run.metrics()
    name = kind_name(run.config)
    return Content(
        headline=f"A run of {name}" if name else "A run",
        summary="",
        curves=charts(curves.raw_and_smooth(metrics[each], each, each) for each in metrics),
    )
