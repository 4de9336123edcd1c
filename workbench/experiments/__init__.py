"""Whole experiments: from a configuration and a store to a run and its table."""

from workbench.experiments.deep_ncuts import evaluate_deep_ncuts, train_deep_ncuts

__all__ = ["evaluate_deep_ncuts", "train_deep_ncuts"]
