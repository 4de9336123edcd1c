"""Trainings of a minute on synthetic data, or on real data, for the demo and the notebooks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.jobs import data_root
from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench.data import Regions
from workbench.experiments.regions.columns import REGION_COLUMNS
from workbench.experiments.scenes.columns import COLUMNS
from workbench.models import ArchitectureConfig
from workbench.models.regions import RegionArchitecture
from workbench.models.weights import known_weights
from workbench.training.regions.config import RegionConfig
from workbench.training.scenes.config import DeepNCutsConfig

REAL_COLUMN = "deep-ncuts-alexnet-relu5"
"""Column of Table 2 that is trained on real scenes."""


def small_network(store: Path | str, **settings: Any) -> DeepNCutsConfig:
    """Configuration of a DeepNCuts that trains from random weights in a minute.

    Args:
        store: store of scenes.
        settings: fields of `DeepNCutsConfig` with other values.
    """
    config = DeepNCutsConfig(
        store=str(store),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        learning_rate=3e-3,
        head_multiplier=1.0,
    )
    return replace(config, **settings)


def scene_training(
    folder: Path | str, *, real: bool = False, train: int = 24, test: int = 4, **settings: Any
) -> DeepNCutsConfig:
    """Store of scenes, written into a folder, and a configuration that trains on it.

    Args:
        folder: for the raw files and the store `scenes.zarr`.
        real: BSDS500 of WORKBENCH_DATA and column `REAL_COLUMN` of Table 2, half an hour on two
            cores; otherwise synthetic scenes and a small network.
        train, test: number of synthetic scenes.
        settings: fields of `DeepNCutsConfig` with other values.
    """
    raw, store = Path(folder) / "raw", Path(folder) / "scenes.zarr"
    if real:
        run_pipeline("bsds", data_root() / "BSDS500", store, overwrite=True)
        config = COLUMNS[REAL_COLUMN].stages[0]
        weights = str(known_weights("alexnet"))
        return replace(config, store=str(store), weights=weights, **settings)
    write_sample(raw, train=train, test=test, seed=settings.get("seed", 0))
    run_pipeline("bsds", raw, store, workers=2, overwrite=True)
    return small_network(store, **settings)


def region_training(
    folder: Path | str, *, real: bool = False, column: str = "deep-o2p", **settings: Any
) -> RegionConfig:
    """Store of regions, written into a folder, and a configuration that trains on it.

    Args:
        folder: for the raw files and the store `regions.zarr`.
        real: COCO of WORKBENCH_DATA and a column of Table 1 with its backbone frozen, half an hour
            on two cores; otherwise synthetic regions and a small network.
        column: name of the column.
        settings: fields of `RegionConfig` with other values.
    """
    raw, store = Path(folder) / "raw", Path(folder) / "regions.zarr"
    if real:
        run_pipeline("coco", data_root() / "coco2017", store)
        chosen = REGION_COLUMNS[column]
        config = chosen.frozen(str(known_weights(chosen.network.architecture.backbone)))
    else:
        write_sample(raw, train=60, test=12, seed=settings.get("seed", 0), layout="coco")
        run_pipeline("coco", raw, store, workers=2, overwrite=True, longest=56, size=64)
        config = RegionConfig(
            store="",
            architecture=RegionArchitecture("tiny", "relu3"),
            learning_rate=0.05,
            head_multiplier=1.0,
            batch=25,
            jitter=2,
        )
    architecture = replace(config.architecture, classes=len(Regions.open(store).names))
    return replace(config, store=str(store), architecture=architecture, **settings)
