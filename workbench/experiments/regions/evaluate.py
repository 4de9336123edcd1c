"""Evaluation of a column of Table 1 on the test part, and its limits on the held-out part."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.data import RegionFeatures, RegionParts, Regions
from workbench.evaluation.regions.diagnosis import Diagnosis, diagnose
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.regions.scores import RegionScores, score_regions
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.sift_o2p import SiftO2PConfig, fit_sift_o2p
from workbench.models.regions import RegionNetwork
from workbench.runs import Run
from workbench.runs.events import RESUMED
from workbench.runs.provenance import provenance
from workbench.runs.status import STARTED
from workbench.training.building import trained_model
from workbench.training.devices import device_of
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.task import opened_features

SOME = 1000
"""Largest number of training regions on which the training error is measured."""


def evaluate_run(
    runs: Sequence[Run], parts: RegionParts, config: RegionConfig, question: dict[str, Any]
) -> RegionResult:
    """Evaluate a finished training.

    Args:
        runs: finished runs of the column; the last one's network is evaluated, each one started
            from the network of the one before.
        parts: regions of the configuration.
        config: configuration with the present paths of store and features, and the device.
        question: question that the result answers.

    Raises:
        StoreError: a region is missing or damaged.
    """
    model = trained_model(runs[-1], RegionConfig).to(device_of(config.device))
    features = opened_features(config, parts.test, mirrored=False)

    def scores(regions: Regions) -> RegionScores:
        return score_regions(model, regions, features)

    some = parts.limited(SOME).train
    began = time.perf_counter()
    found = scores(parts.test)
    seconds = time.perf_counter() - began
    trained = [seconds_of_training(run) for run in runs]
    return RegionResult(
        question=question,
        provenance=provenance(),
        outcomes=_outcomes(found, parts.test),
        train_error=scores(some).error,
        held_error=scores(parts.held).error if len(parts.held) else None,
        entries=model.entries,
        parameters=sum(p.numel() for p in model.parameters()),
        minutes=sum(trained) / 60,
        trained_per_second=config.passes * len(parts.train) / trained[-1],
        tested_per_second=len(parts.test) / seconds,
        limits=_limits(model, parts, features),
    )


def evaluate_sift(
    parts: RegionParts, question: dict[str, Any], cache: Path, workers: int
) -> RegionResult:
    """Train and evaluate the column without a network, on the regions that the networks train on.

    Args:
        parts: regions with masks.
        question: question that the result answers.
        cache: folder for the vectors of the regions.
        workers: number of processes that compute them.

    Raises:
        StoreError: a region is missing or damaged.
    """
    config = SiftO2PConfig()
    began = time.perf_counter()
    found = fit_sift_o2p(parts.train, parts.test, config, cache=cache, workers=workers)
    seconds = time.perf_counter() - began
    entries = config.features.entries
    classes = len(parts.test.names)
    return RegionResult(
        question=question,
        provenance=provenance(),
        outcomes=_outcomes(found.scores, parts.test),
        train_error=None,
        held_error=None,
        entries=entries,
        parameters=(entries + 1) * classes,
        minutes=seconds / 60,
        trained_per_second=None,
        tested_per_second=None,
        chosen={"C": found.fit.strength, "cross-validated error": float(min(found.fit.errors))},
    )


def seconds_of_training(run: Run) -> float:
    """Seconds from the start to the last step, without the time between interruption and resume."""
    total, before = 0.0, None
    for event in run.events():
        if event.kind in (STARTED, RESUMED):
            before = event.time
        elif event.kind == "metrics" and before is not None:
            total += event.time - before
            before = event.time
    return total


def _limits(model: RegionNetwork, parts: RegionParts, features: RegionFeatures | None) -> Diagnosis:
    """Diagnosis on held-out regions; on training regions where none are held out."""
    regions = parts.held if len(parts.held) > 1 else parts.limited(SOME).train
    return diagnose(model, regions, features)


def _outcomes(scores: RegionScores, regions: Regions) -> Outcomes:
    return Outcomes.of_scores(
        scores.logits, scores.categories, scores.image_ids, scores.annotation_ids, regions.names
    )
