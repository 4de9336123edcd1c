"""How good a segmentation is: covering, probabilistic Rand index, variation of information.

And how good a classification of regions: `classification`, `recognition`, `calibration`.
"""

from workbench.evaluation.benchmark import MethodScores, ScaleChoice, Summary, compare
from workbench.evaluation.calibration import Reliability, reliability
from workbench.evaluation.classification import Outcomes, strongest_confusions
from workbench.evaluation.contingency import Contingency, Regions
from workbench.evaluation.metrics import covering, rand_index, variation_of_information
from workbench.evaluation.pool import PoolScores, evaluate_pool
from workbench.evaluation.recognition import RecognitionSummary, summarise
from workbench.evaluation.statistics import Difference, Estimate
from workbench.evaluation.table import BenchmarkTable
from workbench.evaluation.ucm import cut_ucm

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
