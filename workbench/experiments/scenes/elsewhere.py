"""Runs of DeepNCuts on another store of scenes: the scores of all, image by image.

Every scene is read once for all networks. Networks with the same backbone (seeds of a training with
a frozen one, and the untrained features beside them) share its features of the scene.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from workbench.data import FeatureCache, Scene, Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.pool import PoolScores
from workbench.evaluation.scenes.scores import MethodScores
from workbench.evaluation.scenes.snapshots import look_at_prediction
from workbench.evaluation.scenes.table import BenchmarkTable
from workbench.experiments.other_store import OtherStore
from workbench.experiments.scenes.training import untrained_model
from workbench.models import DeepNCuts, load_weights
from workbench.models.features import file_digest
from workbench.runs import Run
from workbench.runs.finding import resolved_path
from workbench.segmentation import CutConfig
from workbench.training.building import trained_model
from workbench.training.devices import device_of, threads
from workbench.training.scenes.config import DeepNCutsConfig

Maps = tuple[Tensor, ...]
"""Maps of a backbone at its taps, see `DeepNCuts.features`."""


def evaluate_scenes_elsewhere(
    paths: Sequence[Path],
    other: OtherStore,
    *,
    untrained: bool = True,
    pool: CutConfig | None = None,
) -> BenchmarkTable:
    """Segment the scenes of another store by runs; the scores are also kept in each run.

    Args:
        paths: folders of runs.
        other: what is evaluated.
        untrained: whether NCuts on the features of the runs' backbones are added, as the first
            methods.
        pool: how scenes are cut; default: as usual for each network's prediction (`usual_cut`).

    Raises:
        PipelineError, WorkbenchError: a run, the store, its split or the weights of the baseline
            are not there, or a store of features fits no run.
    """
    runs = [Run.open(path) for path in paths]
    configs = [resolved_config(run) for run in runs]
    scenes = scenes_elsewhere(other)
    device = device_of(other.device)
    models: dict[str, DeepNCuts] = {}
    baselines: list[str] = []
    for config in configs if untrained else []:
        shape = config.architecture
        name = " ".join(["untrained", shape.backbone, shape.taps[-1]])
        if name not in models:
            models[name] = untrained_model(config).to(device).eval()
        baselines.append(name)
    names = ["trained"] if len(runs) == 1 else [f"{run.path}" for run in runs]
    if len(set(baselines)) == 1:
        models = {"untrained": models.pop(baselines[0])}
        baselines = ["untrained"] * len(runs)
    for name, run in zip(names, runs, strict=True):
        models[name] = trained_model(run, DeepNCutsConfig).to(device)
    source = FeatureSource(other, scenes)
    for name, model in models.items():
        of_run = configs[names.index(name)] if name in names else configs[0]
        source.add(model, of_run)
    source.refuse_idle()
    scores: dict[str, dict[str, PoolScores]] = {name: {} for name in models}
    with threads(other.threads):
        for scene in tqdm(scenes, desc=f"evaluating {other.words}", unit="scene"):
            source.begin(scene)
            for name, model in models.items():
                with torch.inference_mode():
                    found = model.predict(source.features(model), scene.size)
                scores[name][scene.id], _ = look_at_prediction(found, scene, pool)
    methods = {name: MethodScores(name, found) for name, found in scores.items()}
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        own = [methods[baselines[i]]] if untrained else []
        table = BenchmarkTable((*own, MethodScores("trained", methods[name].images)))
        other.keep(run, **table.to_dict())
    return BenchmarkTable(tuple(methods.values()))


def scenes_elsewhere(other: OtherStore) -> Scenes:
    """Annotated scenes of another store.

    Raises:
        PipelineError, WorkbenchError: the store, its split or label maps are not there.
    """
    return Scenes.open(other.store, other.chosen).annotated().first(other.limit)


class FeatureSource:
    """Features of a scene for several networks: each backbone's computed once, or read.

    Args:
        other: what is evaluated, with its stores of features.
        scenes: scenes that will be asked for.
    """

    def __init__(self, other: OtherStore, scenes: Scenes) -> None:
        self._scenes = scenes
        self._caches = {path: FeatureCache(path) for path in other.caches}
        self._used: set[str] = set()
        self._keys: dict[int, tuple[str, str | None]] = {}
        self._scene: Scene | None = None
        self._known: dict[tuple[str, str | None], Maps] = {}

    def add(self, model: DeepNCuts, config: DeepNCutsConfig) -> None:
        """Add a network.

        Args:
            model: the network, on its device.
            config: configuration with the path of the pretrained weights.
        """
        cache = next((path for path in self._caches if self._fits(path, model, config)), None)
        if cache is not None:
            self._caches[cache].check(self._scenes, mirrored=False)
            self._used.add(cache)
        self._keys[id(model)] = _key(model), cache

    def refuse_idle(self) -> None:
        """Refuse stores of features that no network reads.

        Raises:
            WorkbenchError: there is one.
        """
        for path, cache in self._caches.items():
            if path not in self._used:
                raise WorkbenchError(
                    f"features in {path} that a run's backbone computes",
                    f"those of {cache.attributes['backbone']}, {cache.attributes['taps']}, "
                    "of other weights, layers or enlargement than the runs have",
                    "write them with the runs' weights, or leave --cache out",
                )

    def begin(self, scene: Scene) -> None:
        """Begin with a scene: its features are computed at the first request."""
        self._scene, self._known = scene, {}

    def features(self, model: DeepNCuts) -> Maps:
        """Features of the present scene for a network that was added."""
        assert self._scene is not None, "begin with a scene"
        key = self._keys[id(model)]
        if key not in self._known:
            device = next(model.parameters()).device
            cache = key[1]
            if cache is None:
                self._known[key] = model.features(self._scene.image.to(device))
            else:
                maps = self._caches[cache].maps(self._scene.id, mirrored=False)
                self._known[key] = tuple(each.to(device) for each in maps)
        return self._known[key]

    def _fits(self, path: str, model: DeepNCuts, config: DeepNCutsConfig) -> bool:
        """Whether the features are those of the network's backbone, as it is now."""
        attributes = self._caches[path].attributes
        config = replace(config, architecture=model.config)
        if any(attributes[name] != value for name, value in config.features.items()):
            return False
        weights = config.weights and Path(config.weights)
        if not weights or file_digest(weights) != attributes["weights_sha256"]:
            return False
        before = config.network().backbone
        load_weights(before, weights)
        now = model.backbone.state_dict()
        return all(
            torch.equal(value, now[name].cpu()) for name, value in before.state_dict().items()
        )


def _key(model: DeepNCuts) -> str:
    """Digest of everything that decides a network's features."""
    shape = model.config
    about = f"{shape.backbone} {shape.taps} {shape.enlarge} {shape.head == 'hypercolumn'}"
    digest = hashlib.sha256(about.encode())
    state: Mapping[str, Any] = model.backbone.state_dict()
    for name, value in sorted(state.items()):
        digest.update(name.encode() + value.numpy(force=True).tobytes())
    return digest.hexdigest()


def resolved_config(run: Run) -> DeepNCutsConfig:
    """Configuration of a run with the present path of its weights, and without its cache."""
    config = DeepNCutsConfig.from_dict(run.config)
    weights = config.weights and str(resolved_path(run, config.weights))
    return replace(config, weights=weights, cache=None)
