"""Linear algebra of the layers: matrix functions and factored affinities, with their adjoints."""

from workbench.linalg.affinity import Affinity
from workbench.linalg.convolution import PatchOperator
from workbench.linalg.eig import Eigenpairs, eig
from workbench.linalg.gram_log import EpsilonWarning, GramFunction, gram_log, gram_power
from workbench.linalg.matrix_function import (
    MatrixFunction,
    exp,
    inverse_sqrt,
    log,
    matrix_function,
    power,
    sqrt,
)
from workbench.linalg.outcomes import (
    ClosedGapWarning,
    GaugeWarning,
    IllConditionedWarning,
    RankCollapseWarning,
    UncertainRankWarning,
)
from workbench.linalg.projector import RangeResult, projector, pseudo_inverse
from workbench.linalg.scalar_function import ScalarFunction
from workbench.linalg.spectral import Spectrum
from workbench.linalg.svd import SingularTriplets, svd
from workbench.linalg.vectorise import unvectorise, vectorise

__all__ = [
    "Affinity",
    "ClosedGapWarning",
    "Eigenpairs",
    "EpsilonWarning",
    "GaugeWarning",
    "GramFunction",
    "IllConditionedWarning",
    "MatrixFunction",
    "PatchOperator",
    "RangeResult",
    "RankCollapseWarning",
    "ScalarFunction",
    "SingularTriplets",
    "Spectrum",
    "UncertainRankWarning",
    "eig",
    "exp",
    "gram_log",
    "gram_power",
    "inverse_sqrt",
    "log",
    "matrix_function",
    "power",
    "projector",
    "pseudo_inverse",
    "sqrt",
    "svd",
    "unvectorise",
    "vectorise",
]
