"""The mathematics: matrix functions and factored affinities, with their adjoints."""

from workbench.linalg.affinity import Affinity
from workbench.linalg.eig import Eigenpairs, eig
from workbench.linalg.matrix_function import (
    MatrixFunction,
    exp,
    inverse_sqrt,
    log,
    matrix_function,
    power,
    sqrt,
)
from workbench.linalg.outcomes import GaugeWarning, IllConditionedWarning
from workbench.linalg.scalar_function import ScalarFunction
from workbench.linalg.spectral import Spectrum
from workbench.linalg.svd import SingularTriplets, svd

__all__ = [
    "Affinity",
    "Eigenpairs",
    "GaugeWarning",
    "IllConditionedWarning",
    "MatrixFunction",
    "ScalarFunction",
    "SingularTriplets",
    "Spectrum",
    "eig",
    "exp",
    "inverse_sqrt",
    "log",
    "matrix_function",
    "power",
    "sqrt",
    "svd",
]
