"""Page of a run of DeepNCuts: the gain of the training, and its scenes before and after.

For each kept scene: the affinity, the spectrum and the segmentations.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.views import wording
from workbench.views.figures import LARGE, Figure, charts, picture, pictures
from workbench.views.panels import photo
from workbench.views.report import Content, evaluated_parts
from workbench.views.scenes import affinity, scores, segments, spectrum
from workbench.views.training import curves

PASSES = 6
"""Largest number of steps of a training that are shown."""


@dataclass(frozen=True)
class State:
    """Pictures of a scene by one network, before or after training."""

    name: str
    best: Figure
    rows: list[Figure]
    blocks: Figure
    eigenvectors: list[Figure]
    pool: list[Figure]


@dataclass(frozen=True)
class Scene:
    """Pictures of a scene on the page.

    Attributes:
        rank: effective rank and covering, before and after, as a sentence; empty where unknown.
    """

    id: str
    image: Figure
    humans: list[Figure]
    spectrum: Figure
    rank: str
    states: list[State]


@dataclass(frozen=True)
class Evaluation:
    """Evaluated split.

    Attributes:
        split: name of the split.
        methods: means and images of each method, as in `BenchmarkTable.to_dict`.
        differences: by measure, the trained network minus the untrained features; or empty.
        scatter: per-image coverings, where there are two methods.
        scenes: scenes with kept snapshots.
    """

    split: str
    methods: Mapping[str, Any]
    differences: Mapping[str, Any]
    scatter: list[Figure]
    scenes: list[Scene]


def content(run: Run) -> Content:
    """Content of the page of a run of scenes."""
    metrics = run.metrics()
    evaluations = [_evaluation(run, split) for split in evaluated_parts(run)]
    return Content(
        headline=f"DeepNCuts on {wording.backbone(run.config)}",
        summary=_what_it_is(run.config),
        curves=[] if metrics.empty else charts(curves.training_curves(metrics)),
        template="report_scenes.html",
        values={
            "evaluations": evaluations,
            "watched": [] if any(e.scenes for e in evaluations) else _watched(run),
            "history": _history(run),
            "rank": _rank_in_training(metrics),
        },
    )


def _what_it_is(config: Mapping[str, Any]) -> str:
    """Summary in one or two sentences: network, objective, length of the training.

    Args:
        config: `DeepNCutsConfig` in the run's form.
    """
    shape = config["architecture"]
    start = "pretrained" if config["weights"] else "from random weights"
    enlarged = f" of the image enlarged {shape['enlarge']:g}×" if shape["enlarge"] != 1 else ""
    coupling = "Λ learned" if shape["learn_coupling"] else "Λ the identity"
    taps = ", ".join(shape["taps"])
    return (
        f"{wording.sentence(wording.backbone(config))} {start}, up to {taps}"
        f"{enlarged}; two new convolutions to {shape['features']} features, whose products are the "
        f"affinity W = XΛXᵀ ({coupling}). "
        f"Trained with {config['objective'].upper()} {wording.training(config, 'image')}."
    )


def _evaluation(run: Run, split: str) -> Evaluation:
    found = json.loads((run.path / "evaluations" / f"{split}.json").read_text())
    methods = found["methods"]
    two = "untrained" in methods
    return Evaluation(
        split=split,
        methods=methods,
        differences=found["differences"].get("trained", {}) if two else {},
        scatter=charts(scores.scores_per_image(found)) if two else [],
        scenes=[_scene(id, states) for id, states in _kept_scenes(run, split, methods).items()],
    )


def _kept_scenes(run: Run, split: str, methods: Iterable[str]) -> dict[str, dict[str, Snapshot]]:
    """Snapshots of an evaluation, by scene, then by method."""
    names = run.snapshot_names()
    prefix = f"{split}-trained-"
    scenes: dict[str, dict[str, Snapshot]] = {}
    for id in (name.removeprefix(prefix) for name in names if name.startswith(prefix)):
        kept = {method: f"{split}-{method}-{id}" for method in methods}
        scenes[id] = {
            method: Snapshot.load(run, run.snapshots(name)[-1], name)
            for method, name in kept.items()
            if name in names
        }
    return scenes


def _watched(run: Run) -> list[Scene]:
    """Scenes watched in training, at its start and now; shown without an evaluation."""
    scenes = []
    for name in run.snapshot_names():
        steps = run.snapshots(name)
        moments = {f"step {step}": step for step in (steps[0], steps[-1])}
        states = {label: Snapshot.load(run, step, name) for label, step in moments.items()}
        scenes.append(_scene(name, states))
    return scenes


def _history(run: Run) -> list[tuple[str, list[Figure]]]:
    """Rows of pictures of a watched scene during the training, with their names."""
    moments = {name: run.snapshots(name) for name in run.snapshot_names()}
    watched = [name for name, steps in moments.items() if len(steps) > 1]
    if not watched:
        return []
    steps = moments[watched[0]]
    chosen = sorted({steps[round(i * (len(steps) - 1) / (PASSES - 1))] for i in range(PASSES)})
    snapshots = {f"step {step}": Snapshot.load(run, step, watched[0]) for step in chosen}
    first = next(iter(snapshots.values()))
    probe = affinity.interior_pixels(segments.typical_annotator(first.truths))[0]
    rows, cuts = [], []
    for label, snapshot in snapshots.items():
        rows.append(picture(affinity.affinity_row(snapshot, probe, label)))
        cuts.append(picture(segments.best_segmentation(snapshot)))
    return [("Affinity of one pixel", rows), ("Best segmentation", cuts)]


def _rank_in_training(metrics: pd.DataFrame) -> str:
    """Sentence on rank and covering of held-out scenes, first and last; empty where unknown."""
    names = ("effective_rank_held_out", "covering_best")
    if not set(names) <= set(metrics.columns):
        return ""
    ranks, coverings = (metrics[name].dropna() for name in names)
    if len(ranks) < 2 or len(coverings) < 2:
        return ""
    return (
        f"On held-out scenes the effective rank of W went from {ranks.iloc[0]:.1f} to "
        f"{ranks.iloc[-1]:.1f}, the best covering from {coverings.iloc[0]:.3f} to "
        f"{coverings.iloc[-1]:.3f}. The paper takes a falling rank for the sign of learning; "
        "workbench ranks holds the two against each other, scene by scene."
    )


def _rank_of_scene(states: Mapping[str, Snapshot]) -> str:
    """Sentence on a scene's rank and covering by state; empty where a rank was not kept."""
    if any(math.isnan(each.effective_rank) for each in states.values()):
        return ""
    ranks = ", ".join(f"{name} {each.effective_rank:.1f}" for name, each in states.items())
    best = ", ".join(
        f"{name} {each.coverings.mean(axis=1).max():.2f}" for name, each in states.items()
    )
    return f"Effective rank of W: {ranks}. Covering of the best segmentation: {best}."


def _scene(id: str, states: Mapping[str, Snapshot]) -> Scene:
    first = next(iter(states.values()))
    probes = affinity.interior_pixels(segments.typical_annotator(first.truths))
    return Scene(
        id=id,
        image=picture(photo(first.image, f"scene {id}"), LARGE),
        humans=pictures(segments.human_segmentations(first.image, first.truths)),
        spectrum=charts([spectrum.spectrum(states, f"Spectrum of scene {id}")])[0],
        rank=_rank_of_scene(states),
        states=[
            State(
                name=name,
                best=picture(segments.best_segmentation(snapshot, name), LARGE),
                rows=pictures(affinity.affinity_rows(snapshot, probes)),
                blocks=picture(affinity.affinity_blocks(snapshot, name)),
                eigenvectors=pictures(spectrum.eigenvectors(snapshot)),
                pool=pictures(segments.pool(snapshot)),
            )
            for name, snapshot in states.items()
        ],
    )
