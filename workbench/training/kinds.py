"""Kinds of runs: the name of each, and the places of its code.

Only this module distinguishes kinds. A new kind is an entry here and files of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from workbench.errors import WorkbenchError

Part = Literal["config", "train", "evaluate", "elsewhere", "report"]


@dataclass(frozen=True)
class Kind:
    """Kind of runs.

    Its code is in packages that import this one; it is named "module:name" here and imported at
    its first use.

    Attributes:
        name: name in a run's config.json.
        report: `report(run)` gives a `views.report.Content`.
        config: class of the configurations, a `LoopConfig`; None of what is not trained.
        train: `train(config, path, *, resume, overwrite, progress, began)` gives the run.
        evaluate: `evaluate(path, **options)` gives scores with `to_dict` and `to_text`.
        elsewhere: `elsewhere(paths, other, **options)` gives such scores of several runs on a store
            that they did not train on, an `experiments.other_store.OtherStore`.
        mark: a setting that no other kind has, which identifies runs of versions that recorded no
            kind; None for newer kinds.
    """

    name: str
    report: str
    config: str | None = None
    train: str | None = None
    evaluate: str | None = None
    elsewhere: str | None = None
    mark: str | None = None

    def find(self, part: Part) -> Any:
        """Class or function that an attribute names.

        Raises:
            WorkbenchError: runs of this kind have none.
        """
        place: str | None = getattr(self, part)
        if place is None:
            wanted = {
                "config": "read as a training",
                "train": "trained",
                "evaluate": "evaluated",
                "elsewhere": "evaluated on another store",
            }
            raise WorkbenchError(
                f"a run that can be {wanted.get(part, part)}",
                f"one of kind {self.name}",
                "look at it by workbench.explore, or give another run",
            )
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "scenes",
            config="workbench.training.scenes.config:DeepNCutsConfig",
            train="workbench.experiments.scenes.training:train_deep_ncuts",
            evaluate="workbench.experiments.scenes.training:evaluate_deep_ncuts",
            elsewhere="workbench.experiments.scenes.elsewhere:evaluate_scenes_elsewhere",
            report="workbench.views.scenes.report:content",
            mark="objective",
        ),
        Kind(
            "regions",
            config="workbench.training.regions.config:RegionConfig",
            train="workbench.experiments.regions.training:train_regions",
            evaluate="workbench.experiments.regions.training:evaluate_regions",
            elsewhere="workbench.experiments.regions.elsewhere:evaluate_regions_elsewhere",
            report="workbench.views.regions.report:content",
            mark="protocol",
        ),
        Kind(
            "images",
            config="workbench.training.images.config:ImageConfig",
            train="workbench.experiments.images.training:train_images",
            report="workbench.views.images.report:content",
        ),
        Kind(
            "probe",
            evaluate="workbench.evaluation.scenes.probes:evaluate_probe",
            report="workbench.views.probe:content",
        ),
    )
}


def kind_name(config: Mapping[str, Any]) -> str:
    """Name of the kind in a run's configuration; "" where it has none and no `mark` fits."""
    if "kind" in config:
        return str(config["kind"])
    return next((kind.name for kind in KINDS.values() if kind.mark and kind.mark in config), "")


def kind_of(config: Mapping[str, Any]) -> Kind:
    """Kind of a run.

    Args:
        config: configuration of the run, as in config.json.

    Raises:
        WorkbenchError: the kind is none of `KINDS`.
    """
    name = kind_name(config)
    if name not in KINDS:
        raise WorkbenchError(
            f"a run of {' or '.join(KINDS)}",
            f"one of {name}" if name else "one that does not say of what it is",
            "give another run, or use the version of workbench that made it",
        )
    return KINDS[name]
