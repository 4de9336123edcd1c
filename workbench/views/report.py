"""A run as one HTML page that needs nothing else: no network, no other file, no notebook.

The page is for somebody who was not there: what was trained, what it gained, what the affinity, the
spectrum and the segmentations of a few scenes look like before and after. Where something is not in
the run yet, the page says so and how to make it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import holoviews as hv
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workbench.evaluation.scenes.networks import Snapshot
from workbench.runs import Run
from workbench.runs.files import atomic_write
from workbench.views import inline, wording
from workbench.views.panels import photo
from workbench.views.scenes import affinity, scores, segments, spectrum
from workbench.views.training import curves

LARGE, SMALL = 480, 300
"""Widths of pictures, pixels."""
PASSES = 6
"""At most so many moments of a training are shown."""


@dataclass(frozen=True)
class Figure:
    """A picture or chart with the words below it."""

    caption: str
    markup: Markup


@dataclass(frozen=True)
class State:
    """A scene as one network sees it: what is shown before and after training."""

    name: str
    best: Figure
    rows: list[Figure]
    blocks: Figure
    eigenvectors: list[Figure]
    pool: list[Figure]


@dataclass(frozen=True)
class Scene:
    """All that the page shows of a scene."""

    id: str
    image: Figure
    humans: list[Figure]
    spectrum: Figure
    states: list[State]


@dataclass(frozen=True)
class Evaluation:
    """An evaluated split.

    Attributes:
        split: its name.
        methods: each one's means and images, as `BenchmarkTable.to_dict` has them.
        differences: of the trained network from the untrained features, by measure; or empty.
        scatter: per-image coverings, where there are two methods.
        scenes: those that were kept whole.
    """

    split: str
    methods: Mapping[str, Any]
    differences: Mapping[str, Any]
    scatter: list[Figure]
    scenes: list[Scene]


def write_report(run: Run, path: Path) -> Path:
    """Write the page of a run, whatever state it is in.

    Args:
        run: to tell of; it is only read.
        path: of the file to write; its folder is made.

    Returns:
        The path.
    """
    metrics = run.metrics()
    evaluations = [_evaluation(run, split) for split in _splits(run)]
    page = _template().render(
        path=run.path,
        headline=wording.headline(run.config),
        summary=wording.what_it_is(run.config),
        state=wording.state(run),
        facts=wording.where_and_when(run.provenance),
        evaluations=evaluations,
        watched=[] if any(e.scenes for e in evaluations) else _watched(run),
        history=_history(run),
        curves=[] if metrics.empty else _charts(curves.training_curves(metrics)),
        config=json.dumps(run.config, indent=2),
        provenance=json.dumps(run.provenance, indent=2),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(page.encode())
    return path


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("workbench.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure3"] = lambda value: "–" if value is None else f"{value:.3f}"
    return environment.get_template("report.html")


def _splits(run: Run) -> list[str]:
    """The evaluated splits, test first."""
    names = [file.stem for file in (run.path / "evaluations").glob("*.json")]
    return sorted(names, key=lambda name: (name != "test", name))


def _evaluation(run: Run, split: str) -> Evaluation:
    found = json.loads((run.path / "evaluations" / f"{split}.json").read_text())
    methods = found["methods"]
    two = "untrained" in methods
    return Evaluation(
        split=split,
        methods=methods,
        differences=found["differences"].get("trained", {}) if two else {},
        scatter=_charts(scores.scores_per_image(found)) if two else [],
        scenes=[_scene(id, states) for id, states in _kept_scenes(run, split, methods).items()],
    )


def _kept_scenes(run: Run, split: str, methods: Iterable[str]) -> dict[str, dict[str, Snapshot]]:
    """The snapshots of an evaluation, by scene, then by method."""
    names = run.snapshot_names()
    prefix = f"{split}-trained-"
    scenes: dict[str, dict[str, Snapshot]] = {}
    for id in (name.removeprefix(prefix) for name in names if name.startswith(prefix)):
        kept = {method: f"{split}-{method}-{id}" for method in methods}
        scenes[id] = {
            method: run.load_snapshot(run.snapshots(name)[-1], name)
            for method, name in kept.items()
            if name in names
        }
    return scenes


def _watched(run: Run) -> list[Scene]:
    """Without an evaluation: the scenes that were watched in training, at its start and now."""
    scenes = []
    for name in run.snapshot_names():
        steps = run.snapshots(name)
        moments = {f"step {step}": step for step in (steps[0], steps[-1])}
        states = {label: run.load_snapshot(step, name) for label, step in moments.items()}
        scenes.append(_scene(name, states))
    return scenes


def _history(run: Run) -> list[tuple[str, list[Figure]]]:
    """A scene that was watched, as the training went on: rows of pictures with their names."""
    moments = {name: run.snapshots(name) for name in run.snapshot_names()}
    watched = [name for name, steps in moments.items() if len(steps) > 1]
    if not watched:
        return []
    steps = moments[watched[0]]
    chosen = sorted({steps[round(i * (len(steps) - 1) / (PASSES - 1))] for i in range(PASSES)})
    snapshots = {f"step {step}": run.load_snapshot(step, watched[0]) for step in chosen}
    probe = affinity.probes_inside(segments.typical_annotator(next(iter(snapshots.values()))))[0]
    rows, cuts = [], []
    for label, snapshot in snapshots.items():
        rows.append(_picture(affinity.affinity_row(snapshot, probe, label), SMALL))
        cuts.append(_picture(segments.best_segmentation(snapshot), SMALL))
    return [("Affinity of one pixel", rows), ("Best segmentation", cuts)]


def _scene(id: str, states: Mapping[str, Snapshot]) -> Scene:
    first = next(iter(states.values()))
    probes = affinity.probes_inside(segments.typical_annotator(first))
    return Scene(
        id=id,
        image=_picture(photo(first["image"], f"scene {id}"), LARGE),
        humans=_pictures(segments.human_segmentations(first)),
        spectrum=_charts([spectrum.spectrum(states, f"Spectrum of scene {id}")])[0],
        states=[
            State(
                name=name,
                best=_picture(segments.best_segmentation(snapshot, name), LARGE),
                rows=_pictures(affinity.affinity_rows(snapshot, probes)),
                blocks=_picture(affinity.affinity_blocks(snapshot, name), SMALL),
                eigenvectors=_pictures(spectrum.eigenvectors(snapshot)),
                pool=_pictures(segments.pool(snapshot)),
            )
            for name, snapshot in states.items()
        ],
    )


def _picture(element: hv.Element | hv.Overlay, width: int) -> Figure:
    return Figure(element.label, Markup(inline.picture(element, width)))


def _pictures(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    return [_picture(element, SMALL) for element in elements]


def _charts(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    return [Figure(element.label, Markup(inline.chart(element))) for element in elements]
