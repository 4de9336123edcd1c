"""Whole experiments: from a configuration and a store to a run and a table.

Functions are imported at their first use: not every experiment trains.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.experiments.scenes.training import evaluate_deep_ncuts, train_deep_ncuts

__all__ = ["evaluate_deep_ncuts", "train_deep_ncuts"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workbench.experiments.scenes import training as deep_ncuts

    return getattr(deep_ncuts, name)
