"""Runs of region classifiers on another store: scores, comparison, and what differs.

Categories are matched by `data.categories`. Runs that pool alike (seeds of a training with a frozen
backbone) are scored together: frames are read, and features computed and pooled, once for all.
Features are those of the regions as they are; mirror images are for training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from workbench.data import MapSource, RegionFeatures, RegionParts, Regions
from workbench.data.categories import Categories, Matched, match_categories
from workbench.errors import WorkbenchError
from workbench.evaluation.cells import chance, interval
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.regions.scores import pooling_key, score_together
from workbench.evaluation.regions.summary import MEASURES, compare, summarise
from workbench.evaluation.statistics import Difference
from workbench.experiments.other_store import OtherStore
from workbench.experiments.tables.trainings import essence
from workbench.models import load_weights
from workbench.models.features import file_digest
from workbench.models.regions import RegionNetwork
from workbench.runs import Run
from workbench.runs.finding import resolved_path
from workbench.runs.plain import plain
from workbench.training.building import trained_model
from workbench.training.devices import device_of, threads
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.pooled_vectors import PooledFeatures
from workbench.training.training_data import TrainingData, categories_of, data_of

PERCENT = ("error", "top5_error", "balanced_error")
"""Measures that are shares of regions."""


@dataclass(frozen=True)
class Scored:
    """Outcomes of a run, and sentences on the differences of the stores."""

    outcomes: Outcomes
    said: tuple[str, ...]


@dataclass(frozen=True)
class Recognition:
    """Methods on another store, each with the outcomes of its seeds; the first is the baseline.

    Attributes:
        words: split and store in words.
        digest: digest of the store.
        methods: outcomes of the seeds, by the method's name.
        said: differences between this store and the one of the training.
    """

    words: str
    digest: str
    methods: Mapping[str, Sequence[Outcomes]]
    said: tuple[str, ...]

    @cached_property
    def differences(self) -> dict[str, dict[str, Difference]]:
        """Differences of the other methods from the first, paired by region; by measure."""
        (_, first), *others = self.methods.items()
        return {
            name: {measure: compare(seeds, first, measure) for measure in MEASURES}
            for name, seeds in others
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values; strict JSON."""
        return {
            "evaluated": self.words,
            "digest": self.digest,
            "said": list(self.said),
            "methods": {n: summarise(seeds).to_dict() for n, seeds in self.methods.items()},
            "differences": {
                name: {measure: asdict(each) for measure, each in found.items()}
                for name, found in self.differences.items()
            },
        }

    def to_text(self) -> str:
        """Figures of each method, differences with their intervals, for a terminal."""
        parts = [f"{self.words}, digest {self.digest[:8]}", *(f"{each}." for each in self.said)]
        for name, seeds in self.methods.items():
            count = f", {len(seeds)} seeds" if len(seeds) > 1 else ""
            parts.append(f"\n{name}{count}: {summarise(seeds).to_text()}")
        first = next(iter(self.methods))
        lines = [
            f"{name} − {first}, {_difference(measure, each)}"
            for name, found in self.differences.items()
            for measure, each in found.items()
        ]
        return "\n".join([*parts, *([""] * bool(lines)), *lines])


def evaluate_regions_elsewhere(paths: Sequence[Path], other: OtherStore) -> Recognition:
    """Score the regions of another store by runs; the outcomes are also kept in each run.

    Runs that differ in their seed alone are seeds of one method.

    Args:
        paths: folders of runs.
        other: what is evaluated.

    Raises:
        PipelineError, WorkbenchError: a run, the store or its split is not there, no category is
            common, or a store of features fits no run.
    """
    runs = [Run.open(path) for path in paths]
    found = score_elsewhere(runs, other, [categories_of(run) for run in runs])
    methods: dict[str, list[Outcomes]] = {}
    names: dict[str, str] = {}
    for run, scored in zip(runs, found, strict=True):
        other.keep(run, match=other.match, said=list(scored.said), outcomes=plain(scored.outcomes))
        training = essence(RegionConfig.from_dict(run.config)) | {"seed": None}
        name = names.setdefault(f"{training}", f"{run.path}")
        methods.setdefault(name, []).append(scored.outcomes)
    said = dict.fromkeys(each for scored in found for each in scored.said)
    return Recognition(other.words, other.digest, methods, tuple(said))


def score_elsewhere(
    runs: Sequence[Run], other: OtherStore, known: Sequence[Categories]
) -> list[Scored]:
    """Outcomes of runs on another store, in the numbering of their own categories.

    Args:
        runs: runs with checkpoints.
        other: what is evaluated.
        known: categories of each run.

    Raises:
        PipelineError, WorkbenchError: as `evaluate_regions_elsewhere`.
    """
    work = _Work(other)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, (run, categories) in enumerate(zip(runs, known, strict=True)):
        key = (*work.key(run), categories)
        groups.setdefault(key, []).append(i)
    work.refuse_idle()
    found: dict[int, Scored] = {}
    for (_, cache, categories), members in groups.items():
        chosen = [runs[i] for i in members]
        found |= dict(zip(members, work.score(chosen, cache, categories), strict=True))
    return [found[i] for i in range(len(runs))]


def regions_elsewhere(other: OtherStore, categories: Categories, masks: bool = True) -> Matched:
    """Regions of another store with a network's categories.

    Raises:
        PipelineError, WorkbenchError: the store or its split is not there, or no category is
            common.
    """
    regions = Regions.open(other.store, other.chosen, ("image", "mask") if masks else ("image",))
    regions = RegionParts(regions, regions, regions).limited(other.limit).test
    return match_categories(regions, categories, other.match)


class _Work:
    """Scoring of runs on another store, with its stores of features."""

    def __init__(self, other: OtherStore) -> None:
        self.other = other
        self.device = device_of(other.device)
        self.caches = {path: RegionFeatures(path) for path in other.caches}
        self.used: set[str] = set()

    def key(self, run: Run) -> tuple[str, str | None]:
        """Digest of the run's pooling, and the store of its backbone's features, if there is one.

        Runs with equal keys are scored together.
        """
        model = trained_model(run, RegionConfig)
        cache = next((path for path in self.caches if self._fits(path, run, model)), None)
        self.used |= {cache} if cache else set()
        return pooling_key(model), cache

    def _fits(self, path: str, run: Run, model: RegionNetwork) -> bool:
        """Whether the features are those of the run's backbone, as it is after the training."""
        config = RegionConfig.from_dict(run.config)
        attributes = self.caches[path].attributes
        if any(attributes[name] != value for name, value in config.features.items()):
            return False
        weights = config.weights and Path(resolved_path(run, config.weights))
        if not weights or file_digest(weights) != attributes["weights_sha256"]:
            return False
        before = config.network().backbone
        load_weights(before, weights)
        now = model.backbone.state_dict()
        return all(torch.equal(value, now[name]) for name, value in before.state_dict().items())

    def refuse_idle(self) -> None:
        """Refuse stores of features that no run can read."""
        for path, features in self.caches.items():
            if path not in self.used:
                raise WorkbenchError(
                    f"features in {path} that a run's backbone computes",
                    f"those of {features.attributes['backbone']}, {features.attributes['taps']}, "
                    "of other weights or another layer than the runs have",
                    "write them with the runs' weights, or leave --cache out",
                )

    def score(self, runs: Sequence[Run], cache: str | None, categories: Categories) -> list[Scored]:
        """Outcomes of runs that pool alike."""
        models = [trained_model(run, RegionConfig).to(self.device) for run in runs]
        matched = regions_elsewhere(self.other, categories, models[0].config.masked)
        regions = matched.regions
        features = None if cache is None else self._features(cache, models[0], regions)
        title = f"scoring {runs[0].path.name}" + f" and {len(runs) - 1} more" * (len(runs) > 1)
        config = replace(RegionConfig.from_dict(runs[0].config), threads=self.other.threads)
        with threads(config.threads_chosen):
            scores = score_together(models, regions, features, title)
        return [
            Scored(
                Outcomes.of_scores(
                    each.logits,
                    each.categories,
                    each.image_ids,
                    each.annotation_ids,
                    categories.names,
                ),
                (*matched.sentences(), *_frames(run, self.other)),
            )
            for run, each in zip(runs, scores, strict=True)
        ]

    def _features(self, cache: str, model: RegionNetwork, regions: Regions) -> MapSource:
        features = self.caches[cache]
        features.check(regions, mirrored=False)
        suits = PooledFeatures.suits(model, len(regions), sides=1)
        return PooledFeatures(model, features) if suits else features


def _frames(run: Run, other: OtherStore) -> list[str]:
    """Sentence where regions lie otherwise in their frames than in the training."""
    data, now = data_of(run), TrainingData.of(other.attributes).frame
    if data is None or data.frame == now:
        return []
    words = [", ".join(f"{name} {n}" for name, n in each.items()) for each in (now, data.frame)]
    return [f"the store's frames have {words[0]} pixels, those of the training {words[1]}"]


def _difference(measure: str, found: Difference) -> str:
    scale, unit, form = (100, " points", "+.1f") if measure in PERCENT else (1, "", "+.3f")
    p = chance(found.p)
    return (
        f"{measure.replace('_', ' ')}: {scale * found.mean:{form}}{unit} "
        f"{interval(found.low, found.high, form, scale)}, p {p if p[0] == '<' else f'= {p}'} "
        f"(paired, {found.images} images)"
    )
