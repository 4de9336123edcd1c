"""A run as one HTML page that needs nothing else: no network, no other file, no notebook.

The page is for somebody who was not there: what was trained, what it gained, and the curves of the
training. What else there is to say depends on the kind of the run (`training.kinds`): the rooms of
scenes and of regions say it. Where something is not in the run yet, the page says so and how to
make it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.evaluation.cells import number
from workbench.probe.recording import KIND
from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.training.kinds import KINDS, kind_name
from workbench.views import wording
from workbench.views.figures import Figure, charts
from workbench.views.templating import render
from workbench.views.training import curves


@dataclass(frozen=True)
class Content:
    """What the page of one kind of runs says beside what all pages do.

    Attributes:
        headline: the network in three words.
        summary: what was trained and how, in one or two sentences.
        curves: of the training.
        template: that shows `values`; it extends report.html.
        values: by the names that the template has for them.
    """

    headline: str
    summary: str
    curves: list[Figure]
    template: str = "report.html"
    values: Mapping[str, Any] = field(default_factory=dict)


def write_report(run: Run, path: Path) -> Path:
    """Write the page of a run, whatever state it is in.

    Args:
        run: to tell of; it is only read.
        path: of the file to write; its folder is made.

    Returns:
        The path.
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
    with atomic_write(path) as file:
        file.write(page)
    return path


def evaluated_parts(run: Run, suffix: str = "") -> list[str]:
    """Names of the evaluated splits or parts, test first; files end with `suffix`.json."""
    ending = f"{suffix}.json"
    files = (run.path / "evaluations").glob(f"*{ending}")
    return sorted((f.name.removesuffix(ending) for f in files), key=lambda n: (n != "test", n))


def _any_run(run: Run) -> Content:
    """A run of a kind that has no page of its own: its curves, and in words what a probe holds."""
    metrics = run.metrics()
    name = kind_name(run.config)
    if name == KIND:
        found = Probe(run)
        return Content(
            headline=f"A probe of {run.config['network']}",
            summary=f"Layers {', '.join(found.layers)} on {len(run.config['ids'])} images, "
            f"{run.config['images']}; features of {len(found.images)} are kept.",
            curves=[],
        )
    return Content(
        headline=f"A run of {name}" if name else "A run",
        summary="",
        curves=charts(curves.raw_and_smooth(metrics[each], each, each) for each in metrics),
    )
