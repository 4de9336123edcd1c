"""The mathematics: matrix functions and factored affinities, with their adjoints."""

from workbench.linalg.affinity import Affinity, Spectrum
from workbench.linalg.matrix_function import (
    MatrixFunction,
    exp,
    inverse_sqrt,
    log,
    matrix_function,
    power,
    sqrt,
)
from workbench.linalg.outcomes import IllConditionedWarning
from workbench.linalg.scalar_function import ScalarFunction

__all__ = [
    "Affinity",
    "IllConditionedWarning",
    "MatrixFunction",
    "ScalarFunction",
    "Spectrum",
    "exp",
    "inverse_sqrt",
    "log",
    "matrix_function",
    "power",
    "sqrt",
]
