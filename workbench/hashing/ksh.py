"""Supervised hashing with kernels (Liu, Wang, Ji, Jiang and Chang, CVPR 2012).

Bits are signs of k(x)ᵀa with k(x) = exp(−‖x − anchor‖²/2σ) about its mean. The codes' inner
products are to be m times the similarity S of labelled pairs, 1 or −1; bit by bit, what is left of
it, mS − Σ bbᵀ, is to agree with the next bit: max bᵀ(mS − Σ bbᵀ)b.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh

from workbench.hashing.anchors import drawn, squared_distances
from workbench.hashing.hasher import BLOCK, Hasher, Labelled, Vectors

RIDGE = 1e-8
"""Multiple of KᵀK's mean eigenvalue on its diagonal: anchors near to each other repeat."""


@dataclass
class KSH(Hasher):
    """Greedy bits: the generalised eigenvector, then ascent of tanh for sign; the better is kept.

    Attributes:
        anchors: number of anchors, drawn from the pool.
        steps: most steps of the ascent for a bit.
    """

    anchors: int = 300
    steps: int = 300
    supervised: ClassVar[bool] = True

    def _learn(self, labelled: Labelled, pool: Vectors) -> None:
        self.places = drawn(pool, self.anchors, self.seed)
        blocks = [
            squared_distances(pool[start : start + BLOCK].astype(float), self.places)
            for start in range(0, len(pool), BLOCK)
        ]
        self.width = float(sum(each.sum() for each in blocks)) / (len(pool) * self.anchors)
        self.mean = sum(np.exp(-each / (2 * self.width)).sum(0) for each in blocks) / len(pool)
        kernel = self._kernel(labelled.vectors.astype(np.float64))
        left = _Left(labelled.indicators, self.bits)
        gram = kernel.T @ kernel
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        found = []
        for _ in range(self.bits):
            last = len(gram) - 1
            _, start = eigh(kernel.T @ (left @ kernel), gram, subset_by_index=[last, last])
            start = start[:, 0] * np.sqrt(len(kernel))  # projections of mean square 1
            choices = (start, ascend(kernel, left, start, self.steps))
            bits = [np.where(kernel @ each > 0, 1.0, -1.0) for each in choices]
            best = int(bits[1] @ (left @ bits[1]) > bits[0] @ (left @ bits[0]))
            found.append(choices[best])
            left.take(bits[best])
        self.projection = np.array(found).T

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        return np.asarray(self._kernel(x) @ self.projection)

    def _kernel(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n anchors"]:
        kernel: np.ndarray = np.exp(-squared_distances(x, self.places) / (2 * self.width))
        return np.asarray(kernel - self.mean)


class _Left:
    """Matrix mS − Σ bbᵀ as its factors: products cost O(n (classes + bits)).

    Attributes:
        classes: (n, classes) indicators Y, with S = 2YYᵀ − 11ᵀ.
        bits: m.
        taken: (n, so far) bits ±1.
    """

    def __init__(self, classes: Float64[np.ndarray, "n classes"], bits: int) -> None:
        self.classes, self.bits = classes, bits
        self.taken = np.zeros((len(classes), 0))

    def __matmul__(self, x: Float64[np.ndarray, "n *_"]) -> Float64[np.ndarray, "n *_"]:
        similar = 2 * self.classes @ (self.classes.T @ x) - x.sum(0)
        return np.asarray(self.bits * similar - self.taken @ (self.taken.T @ x))

    def take(self, bit: Float64[np.ndarray, "n"]) -> None:
        self.taken = np.column_stack([self.taken, bit])


def ascend(
    kernel: Float64[np.ndarray, "n anchors"],
    left: _Left,
    start: Float64[np.ndarray, "anchors"],
    steps: int,
) -> Float64[np.ndarray, "anchors"]:
    """Ascent of φᵀ(left)φ, φ = tanh(Ka/2), by Nesterov's gradient with backtracking.

    Args:
        kernel: K.
        left: matrix that the bit is to agree with.
        start: a of the first step.
        steps: most steps; it stops where a step gains less than a millionth.
    """

    def value(a: Float64[np.ndarray, "anchors"]) -> tuple[float, np.ndarray, np.ndarray]:
        phi = np.tanh(kernel @ a / 2)
        product = left @ phi
        return float(phi @ product), phi, product

    before = here = start
    best, highest = start, value(start)[0]
    momentum, curvature, last = 1.0, 1.0, highest
    for _ in range(steps):
        ahead = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        looked = here + (momentum - 1) / ahead * (here - before)
        at, phi, product = value(looked)
        gradient = kernel.T @ (product * (1 - phi**2))
        square = float(gradient @ gradient)
        if not square:
            break
        while True:  # until the quadratic bound of this curvature holds
            reached = looked + gradient / curvature
            found = value(reached)[0]
            if found >= at + square / (2 * curvature) or curvature > 1e18:
                break
            curvature *= 2
        before, here, momentum = here, reached, ahead
        if found > highest:
            best, highest = reached, found
        if abs(found - last) <= 1e-6 * abs(last):
            break
        last, curvature = found, curvature / 1.5
    return best
