"""Expected maximum of N independent standard normals, of any N, also where only log N fits.

M_N = ∫ₗ (1 − Φᴺ) dt + l, where Φᴺ is negligible below l. Φᴺ = exp(N log Φ), and in the upper tail
N log Φ = −exp(log N + log Q), so that N itself is never formed.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy import optimize, special

from workbench.errors import WorkbenchError

NODES = 400
CUT = 40.0
"""Natural logarithm of the probability that is left out, e⁻⁴⁰."""
LARGE = math.log(1000.0)


@lru_cache(maxsize=4)
def legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the rule of Gauss and Legendre on [−1, 1]."""
    return leggauss(count)


def expected_maximum(count: int) -> float:
    """Expected maximum M_N of N = `count` independent standard normals; M_1 = 0.

    Raises:
        WorkbenchError: the count is below 1.
    """
    if count < 1:
        raise WorkbenchError("a count of at least 1", f"{count}", "count the points of the set")
    return expected_maximum_of_log(math.log(count))


@lru_cache(maxsize=4096)
def expected_maximum_of_log(log_count: float) -> float:
    """Expected maximum M_N, given log N ≥ 0 (natural): log N may be thousands. Error below 1e-9."""
    count = math.exp(min(log_count, LARGE))
    low = (
        special.ndtri_exp(-CUT / count)
        if log_count <= LARGE
        else -special.ndtri_exp(math.log(CUT) - log_count)
    )
    high = -special.ndtri_exp(-CUT - log_count)
    nodes, weights = legendre(NODES)
    t = low + (high - low) * (nodes + 1) / 2
    exponent = count * special.log_ndtr(t)
    if log_count > LARGE:  # log Φ = log(1 − Q): with Q below 0.04, −Q(1 + Q/2 + …)
        log_tail = special.log_ndtr(-t)
        tail = np.exp(log_tail)
        series = np.where(tail > 0, -np.log1p(-tail) / np.where(tail > 0, tail, 1.0), 1.0)
        exponent = -np.exp(log_count + log_tail) * series
    return float(low + (high - low) / 2 * weights @ -np.expm1(exponent))


@lru_cache(maxsize=4096)
def log_count_of(maximum: float) -> float:
    """Natural logarithm of the largest real N with M_N ≤ `maximum`; 0 where that is not positive.

    Raises:
        WorkbenchError: the maximum is not finite.
    """
    if not math.isfinite(maximum):
        raise WorkbenchError("a finite maximum", f"{maximum}", "check the width and the radius")
    if maximum <= 0:
        return 0.0
    most = maximum**2 + 10.0  # M_N ≥ √(log N) from N = 2 on, up to a constant
    return float(optimize.brentq(lambda log_n: expected_maximum_of_log(log_n) - maximum, 0.0, most))
