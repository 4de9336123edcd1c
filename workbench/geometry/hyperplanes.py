"""Random hyperplanes: binary codes, their distortion of angles, and the cells that they cut.

m hyperplanes with Gaussian normals a_i; bit i of x is 1 where ⟨a_i, x⟩ > 0, which is where a ReLU
layer with these weights is active. Hamming distance over m estimates the geodesic distance
*angle/π* (Plan and Vershynin, *Dimension reduction by random hyperplane tessellations*, DCG 2014;
in radians nothing would be an isometry). For one pair it is Binomial(m, d)/m. Only the direction of
a point counts: points need not lie on the sphere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb, log, pi, sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, UInt8, UInt64

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array, directions

WORD = 64
BLOCK_OF_BITS = 512
"""Hyperplanes drawn together; the codes of a seed depend on it, not on the chunk of points."""
BLOCK_OF_PAIRS = 4_000_000
"""Pairs that are compared together: 32 MB of float64."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Binary codes in words of 64 bits: bits · points / 8 bytes.

    Attributes:
        words: (points, ⌈bits/64⌉) uint64; bits past the last are 0.
        bits: length of a code.
    """

    words: UInt64[np.ndarray, "points words"]
    bits: int

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, rows: slice | np.ndarray) -> "Codes":
        """Codes of the points that a slice or an array of indices or booleans names."""
        return Codes(self.words[rows], self.bits)

    @property
    def signs(self) -> Bool[np.ndarray, "points bits"]:
        """Bits one by one, a byte each."""
        unpacked = np.unpackbits(self.words.view(np.uint8), axis=1, count=self.bits)
        return unpacked.astype(bool)

    @property
    def balance(self) -> Float64[np.ndarray, "bits"]:
        """Share of the points whose bit is 1, for each bit; a bit that says most has 0.5."""
        return np.asarray(self.signs.mean(0, dtype=np.float64))

    @property
    def distinct(self) -> int:
        """Number of different codes."""
        return len(np.unique(self.words, axis=0))

    def to_faiss(self) -> UInt8[np.ndarray, "points bytes"]:
        """Bytes as faiss's binary indexes take them: (points, ⌈bits/8⌉), bits past the last are 0.

        An index of dimension 8 · bytes has the same Hamming distances:
        `faiss.IndexBinaryFlat(8 * codes.to_faiss().shape[1])`.
        """
        return np.ascontiguousarray(self.words.view(np.uint8)[:, : -(-self.bits // 8)])

    def require_same_length(self, others: "Codes") -> None:
        """Require that others can be compared with these.

        Raises:
            WorkbenchError: codes of different lengths.
        """
        if self.bits != others.bits:
            raise WorkbenchError(
                "codes of one length", f"{self.bits} and {others.bits} bits", "embed both alike"
            )

    def hamming(self, others: "Codes") -> Int64[np.ndarray, "points others"]:
        """Number of bits that differ, of each point and each of the others.

        Raises:
            WorkbenchError: codes of different lengths.
        """
        self.require_same_length(others)
        different = np.zeros((len(self), len(others)), np.int64)
        for mine, theirs in zip(self.words.T, others.words.T, strict=True):
            different += np.bitwise_count(mine[:, None] ^ theirs)
        return different


def pack(signs: Array) -> Codes:
    """Codes of bits given one by one.

    Args:
        signs: (points, bits), boolean, or numbers whose positive ones count as 1.

    Raises:
        WorkbenchError: not a matrix, or no bits.
    """
    if signs.ndim != 2 or signs.shape[1] == 0:
        raise WorkbenchError(
            "a matrix (points, bits)", f"shape {tuple(signs.shape)}", "a row for each point"
        )
    positive = (signs > 0) if signs.dtype not in (bool, torch.bool) else signs
    flags = positive.cpu().numpy() if isinstance(positive, torch.Tensor) else positive
    packed = np.packbits(flags, axis=1)
    words = np.zeros((len(packed), -(-flags.shape[1] // WORD) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return Codes(words.view(np.uint64), flags.shape[1])


def normals(features: int, bits: int, seed: int = 0) -> Iterator[Float64[np.ndarray, "block d"]]:
    """Gaussian normals of the hyperplanes of a seed, in blocks of 512 rows.

    Fewer bits of the same seed are the first ones.
    """
    for block, start in enumerate(range(0, bits, BLOCK_OF_BITS)):
        count = min(BLOCK_OF_BITS, bits - start)
        yield np.random.default_rng([seed, block]).standard_normal((count, features))


def embed(x: Array, bits: int, seed: int = 0, chunk: int = 8192) -> Codes:
    """Codes of points by random hyperplanes through the origin.

    Args:
        x: (points, features), numpy or torch; points and hyperplanes are taken in blocks.
        bits: m, the number of hyperplanes.
        seed: seed of the normals.
        chunk: points in a block; the codes do not depend on it.

    Raises:
        WorkbenchError: no bits, NaN, or a point that is zero and lies on every hyperplane.
    """
    if bits < 1:
        raise WorkbenchError("at least one bit", f"{bits}", "accuracy grows like the root of bits")
    found = np.zeros((len(x), -(-bits // WORD)), np.uint64)
    for start in range(0, max(len(x), 1), chunk):
        points = directions(x[start : start + chunk])
        first = 0
        for block in normals(points.shape[1], bits, seed):  # drawn again: 1 % of the product's time
            words = pack(points @ torch.from_numpy(block).to(points).T > 0).words
            last = first + words.shape[1]
            found[start : start + len(points), first:last] = words
            first = last
    return Codes(found, bits)


@dataclass(frozen=True)
class Distortion:
    """Difference |Hamming/m − angle/π| over all pairs of points.

    Attributes:
        maximum: δ, the largest.
        rms: root of the mean square.
        predicted: √(mean d(1 − d)/m) with d = angle/π, the binomial's rms.
        bound: √(log(2 pairs)/2m), past which at most one pair lies on average (Hoeffding's bound,
            summed over pairs): so N points need about log(2 pairs)/2δ² bits.
        bits: m.
        pairs: number of pairs.
    """

    maximum: float
    rms: float
    predicted: float
    bound: float
    bits: int
    pairs: int


def distortion(x: Array, codes: Codes) -> Distortion:
    """Distortion of angles by binary codes, over all pairs, in blocks.

    Angles below 1e-8 count as 0, far below 1/√m.

    Args:
        x: (points, features), the points that were embedded; duplicates are at distance 0.
        codes: their codes.

    Raises:
        WorkbenchError: fewer than two points, codes of other points, NaN, or a zero point.
    """
    points = directions(x, least=2)
    if len(points) != len(codes):
        raise WorkbenchError(
            "the codes of these points",
            f"{len(points)} points, {len(codes)} codes",
            "embed(x) first",
        )
    largest = squares = variances = 0.0
    count = len(points)
    step = max(1, BLOCK_OF_PAIRS // count)
    for start in range(0, count - 1, step):
        stop = min(start + step, count)
        cosines = (points[start:stop] @ points[start:].T).clamp(-1, 1)
        geodesic = (cosines.acos() / pi).cpu().numpy()
        later = np.arange(start, count) > np.arange(start, stop)[:, None]
        error = codes[start:stop].hamming(codes[start:]) / codes.bits - geodesic
        largest = max(largest, float(np.abs(error[later]).max(initial=0.0)))
        squares += float((error[later] ** 2).sum())
        variances += float((geodesic * (1 - geodesic))[later].sum())
    pairs = count * (count - 1) // 2
    return Distortion(
        largest,
        sqrt(squares / pairs),
        sqrt(variances / (pairs * codes.bits)),
        sqrt(log(2 * pairs) / (2 * codes.bits)),
        codes.bits,
        pairs,
    )


@dataclass(frozen=True)
class DistortionCurve:
    """Distortion against the number of bits, with the two rates that it is compared to.

    A cloud has slope −½ (binomial errors, union bound). The theorem δ = c m^(−1/6) ω^(1/3) of Plan
    and Vershynin is uniform over all sets of a width ω, and pessimistic for a cloud; that m ~ ω²/δ²
    were enough for every set is refuted (Dirksen, Mendelson and Stollenwerk, arXiv 2201.05204).

    Attributes:
        points: a distortion for each number of bits.
        slope: that of log δ against log m, by least squares.
    """

    points: tuple[Distortion, ...]
    slope: float

    @property
    def bits(self) -> Int64[np.ndarray, "count"]:
        """Numbers of bits m."""
        return np.array([each.bits for each in self.points])

    @property
    def maximum(self) -> Float64[np.ndarray, "count"]:
        """Largest distortions δ(m)."""
        return np.array([each.maximum for each in self.points])

    def line(self, exponent: float) -> Float64[np.ndarray, "count"]:
        """Line δ(m₀)(m/m₀)^exponent through the first point: −1/2 or −1/6."""
        line: np.ndarray = self.maximum[0] * (self.bits / self.bits[0]) ** exponent
        return line

    def uniform_constant(self, width: float) -> Float64[np.ndarray, "count"]:
        """Constant c = δ m^(1/6) ω^(−1/3) that the uniform theorem would need for each m.

        Args:
            width: ω, the two-sided Gaussian mean width of the points on the sphere.
        """
        constant: np.ndarray = self.maximum * (self.bits / width**2) ** (1 / 6)
        return constant


def distortion_curve(x: Array, bits: Sequence[int] = (), seed: int = 0) -> DistortionCurve:
    """Distortion for several numbers of hyperplanes, drawn anew for each.

    Args:
        x: (points, features).
        bits: numbers of hyperplanes, two at least; 32, 64, … 8192 where none is given.
        seed: seed of all of them.

    Raises:
        WorkbenchError: fewer than two different numbers, or as `distortion`.
    """
    counts = sorted(set(bits)) or [2**k for k in range(5, 14)]
    if len(counts) < 2:
        raise WorkbenchError("two numbers of bits", f"{counts}", "a slope needs two points")
    seeds = np.random.SeedSequence(seed).generate_state(len(counts)).tolist()
    found = tuple(
        distortion(x, embed(x, count, own)) for count, own in zip(counts, seeds, strict=True)
    )
    heights = [max(each.maximum, np.finfo(float).tiny) for each in found]
    return DistortionCurve(found, float(np.polyfit(np.log(counts), np.log(heights), 1)[0]))


def cell_count(dimension: int, bits: int) -> int:
    """Number of cells 2 Σ_{i<k} C(m − 1, i) of m generic hyperplanes through 0 in R^k (Schläfli).

    Raises:
        WorkbenchError: no dimension, or a negative number of hyperplanes.
    """
    if dimension < 1 or bits < 0:
        raise WorkbenchError(
            "a dimension and a number of hyperplanes", f"{dimension} and {bits}", "k ≥ 1, m ≥ 0"
        )
    return 2 * sum(comb(bits - 1, i) for i in range(dimension)) if bits else 1


def cells(codes: Codes) -> Int64[np.ndarray, "points"]:
    """Cell of each point, numbered from 0: equal codes, equal cells. `max() + 1` have been seen."""
    _, numbers = np.unique(codes.words, axis=0, return_inverse=True)
    return numbers.reshape(-1).astype(np.int64)


def cells_seen(dimension: int, bits: int, samples: int, seed: int = 0) -> int:
    """Number of cells in which one of many random directions lies: at most `cell_count`.

    Args:
        dimension: k.
        bits: m.
        samples: directions, uniform on the sphere; small cells want many.
        seed: seed of hyperplanes and directions.
    """
    generator = np.random.default_rng([seed, samples])
    seen = np.zeros((0, -(-bits // WORD)), np.uint64)
    for start in range(0, samples, 200_000):
        points = generator.standard_normal((min(200_000, samples - start), dimension))
        words = embed(points, bits, seed, chunk=len(points)).words
        seen = np.unique(np.concatenate([seen, words]), axis=0)
    return len(seen)


def circle_cells(normals: Array) -> Float64[np.ndarray, "bits"]:
    """Widths of the cells on a great circle, as angle/π, exact: m of them, the other m opposite.

    Args:
        normals: (bits, 2), hyperplanes' normals in the circle's plane: A E for an orthonormal basis
            E of it.

    Raises:
        WorkbenchError: not two columns, NaN, or a normal that is zero.
    """
    if normals.ndim != 2 or normals.shape[1] != 2:
        raise WorkbenchError(
            "normals in a plane, (bits, 2)", f"shape {tuple(normals.shape)}", "project them first"
        )
    plane = directions(normals).cpu().numpy()
    cuts = np.sort(np.arctan2(plane[:, 1], plane[:, 0]) % pi)
    widths: np.ndarray = np.diff(cuts, append=cuts[0] + pi) / pi
    return widths


def widest_on_circle(bits: int) -> float:
    """Expectation H_m/m of the widest cell on a great circle, as angle/π; H_m = 1 + … + 1/m.

    Raises:
        WorkbenchError: no hyperplanes.
    """
    if bits < 1:
        raise WorkbenchError("at least one hyperplane", f"{bits}", "without one nothing is cut")
    return float((1 / np.arange(1, bits + 1)).sum() / bits)


def cell_diameters(x: Array, codes: Codes) -> Float64[np.ndarray, "cells"]:
    """Largest angle/π between two given points of each cell: lower bounds of the diameters.

    Args:
        x: (points, features), dense samples of the set that is cut.
        codes: their codes.

    Returns:
        Diameters in the order of the numbers of `cells`; 0 where a cell holds one point.

    Raises:
        WorkbenchError: as `distortion`.
    """
    points = directions(x, least=2)
    if len(points) != len(codes):
        raise WorkbenchError(
            "the codes of these points",
            f"{len(points)} points, {len(codes)} codes",
            "embed(x) first",
        )
    numbers = cells(codes)
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return np.array([_diameter(points[torch.from_numpy(each)]) for each in members])


def _diameter(points: torch.Tensor) -> float:
    """Largest angle/π, by distances of the farthest pair: no cancellation near 0."""
    step = max(1, BLOCK_OF_PAIRS // len(points))
    lowest, pair = 2.0, (0, 0)
    for start in range(0, len(points), step):
        cosines = points[start : start + step] @ points.T
        place = int(cosines.argmin())
        if float(cosines.flatten()[place]) < lowest:
            lowest = float(cosines.flatten()[place])
            pair = (start + place // len(points), place % len(points))
    chord = float((points[pair[0]] - points[pair[1]]).norm())
    return 2 * float(np.arcsin(min(1.0, chord / 2))) / pi
