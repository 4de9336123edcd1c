"""Evaluation of segmentations (covering, probabilistic Rand index, variation of information).

Classifications of regions are evaluated in `regions`: errors, calibration, diagnosis.
"""

from workbench.evaluation.regions.calibration import Reliability, reliability
from workbench.evaluation.regions.outcomes import Outcomes, strongest_confusions
from workbench.evaluation.regions.summary import RecognitionSummary, summarise
from workbench.evaluation.scenes.contingency import (
    Contingency,
    Regions,
    covering,
    rand_index,
    variation_of_information,
)
from workbench.evaluation.scenes.pool import PoolScores, evaluate_pool
from workbench.evaluation.scenes.scores import MethodScores, ScaleChoice, Summary, compare
from workbench.evaluation.scenes.table import BenchmarkTable
from workbench.evaluation.scenes.ucm import cut_ucm
from workbench.evaluation.statistics import Difference, Estimate

__all__ = [
    "BenchmarkTable",
    "Contingency",
    "Difference",
    "Estimate",
    "MethodScores",
    "Outcomes",
    "PoolScores",
    "RecognitionSummary",
    "Regions",
    "Reliability",
    "ScaleChoice",
    "Summary",
    "compare",
    "covering",
    "cut_ucm",
    "evaluate_pool",
    "rand_index",
    "reliability",
    "strongest_confusions",
    "summarise",
    "variation_of_information",
]
