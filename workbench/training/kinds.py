"""The kinds of runs: what each is called, and where the code of each is.

This is the one place that tells kinds apart. A new kind is an entry here and files of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from workbench.errors import WorkbenchError

Part = Literal["config", "train", "evaluate", "report"]


@dataclass(frozen=True)
class Kind:
    """One kind of runs.

    Its code stands in rooms above this one, and is named "module:name" here: it is imported when
    somebody asks for it.

    Attributes:
        name: in a run's config.json.
        config: class of the configurations, a `LoopConfig`.
        train: `train(config, path, *, resume, overwrite, progress, began)` gives the run.
        evaluate: `evaluate(path, split, **options)` gives scores with `to_dict` and `to_text`.
        report: `report(run)` gives a `views.report.Content`.
        mark: a setting that no other kind has: runs of versions that recorded no kind are known by
            it; None of kinds that are younger.
    """

    name: str
    config: str
    train: str
    evaluate: str
    report: str
    mark: str | None = None

    def find(self, part: Part) -> Any:
        """The class or function that an attribute names."""
        module, _, name = getattr(self, part).partition(":")
        return getattr(import_module(module), name)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "scenes",
            config="workbench.training.scenes.config:DeepNCutsConfig",
            train="workbench.experiments.scenes.training:train_deep_ncuts",
            evaluate="workbench.experiments.scenes.training:evaluate_deep_ncuts",
            report="workbench.views.scenes.report:content",
            mark="objective",
        ),
        Kind(
            "regions",
            config="workbench.training.regions.config:RegionConfig",
            train="workbench.experiments.regions.training:train_regions",
            evaluate="workbench.experiments.regions.training:evaluate_regions",
            report="workbench.views.regions.report:content",
            mark="protocol",
        ),
    )
}


def kind_name(config: Mapping[str, Any]) -> str:
    """The kind that a run's configuration says; "" where it says none, and none is known by it."""
    if "kind" in config:
        return str(config["kind"])
    return next((kind.name for kind in KINDS.values() if kind.mark in config), "")


def kind_of(config: Mapping[str, Any]) -> Kind:
    """The kind of a run.

    Args:
        config: of the run, as config.json has it.

    Raises:
        WorkbenchError: it is none of `KINDS`.
    """
    name = kind_name(config)
    if name not in KINDS:
        raise WorkbenchError(
            f"a run of {' or '.join(KINDS)}",
            f"one of {name}" if name else "one that does not say of what it is",
            "give another run; a probe is looked at by workbench.explore, and a run of a later "
            "version by that version of workbench",
        )
    return KINDS[name]
