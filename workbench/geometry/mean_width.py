"""Gaussian mean width of a cloud of points, with its uncertainty and its ceiling.

ω(K) = E sup over u, v in K of ⟨u − v, g⟩, g ~ N(0, I): two-sided, in the units of the points. For
a cloud it is the mean over directions g of max⟨x, g⟩ − min⟨x, g⟩: one pass, 2NdR flops, exact under
merging of parts. Directions and variance reduction: `directions.py`. A sample of N points has a
width of at most about 2 M_N times its radius whatever the set (M_N: expected maximum of N standard
normals); a width near that ceiling has measured log N and no dimension. Sources: Vershynin,
"High-Dimensional Probability", 2018, §7.5 (width), §7.6 (stable dimension ω²/diam²) and theorem
7.2.11 (Sudakov and Fernique); Giryes, Sapiro, Bronstein, arXiv 1504.08291, §II.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Any, cast

import numpy as np
import torch

from workbench.errors import WorkbenchError
from workbench.geometry.directions import Directions, draw
from workbench.geometry.gram import cloud_of_gram, gram_of
from workbench.geometry.points import Cloud, as_cloud
from workbench.geometry.width import MeanWidth
from workbench.geometry.width_stream import LeftSpanError, WidthStream

SAMPLE = 1024
"""Number of points from which span, control variate and diameter are found."""
FAN_IN = 8


def mean_width(
    points: Any = None,
    *,
    gram: Any = None,
    directions: int = 256,
    seed: int = 0,
    level: float = 0.95,
) -> MeanWidth:
    """Gaussian mean width of a cloud of points, E max⟨x, g⟩ − min⟨x, g⟩, two-sided.

    One pass of 2NdR flops, in blocks; Dask and zarr arrays are reduced by Dask, on a cluster if one
    is connected. Up to 1024 points of more features go by their Gram matrix. Duplicates and zero
    rows are points like others. Integers are converted; half precision is computed in float32.

    Args:
        points: (points, features) tensor on any device, numpy, Dask or zarr array.
        gram: (points, points) instead of points: inner products by any positive semidefinite
            kernel; the width is that of the kernel's features.
        directions: number R; whole orthogonal blocks are drawn, so that there may be a few more.
        seed: seed of the directions.
        level: probability of the interval, which is over directions and not over points.

    Raises:
        WorkbenchError: not an array of two axes, fewer than two points, NaN or infinity, complex
            numbers, a Gram matrix that is not symmetric and positive semidefinite.

    Warns:
        CeilingWarning: the width is above .9 of its ceiling: it has measured the number of points.
    """
    if (points is None) == (gram is None):
        raise WorkbenchError(
            "either points or gram", "both" if gram is not None else "neither", "give one"
        )
    cloud = as_cloud(points, least=2) if gram is None else cloud_of_gram(gram)
    if gram is None and cloud.count <= min(cloud.features, SAMPLE):
        cloud = cloud_of_gram(gram_of(cloud))
    sample = cloud.sample(SAMPLE)
    drawn = draw(sample, directions, seed, complete=len(sample) == cloud.count)
    try:
        return _stream(cloud, drawn).result(level, stacklevel=3)
    except LeftSpanError:
        drawn = draw(sample, directions, seed, whole_space=True)
        return _stream(cloud, drawn).result(level, stacklevel=3)


def _stream(cloud: Cloud, directions: Directions) -> WidthStream:
    if cloud.stored:
        return _reduced_by_dask(cloud, directions)
    stream = WidthStream(directions)
    for start, rows in cloud.blocks(directions.columns.shape[1]):
        stream.update(rows, start)
    return stream


def _reduced_by_dask(cloud: Cloud, directions: Directions) -> WidthStream:
    """Reduction over chunks of rows; each task holds one chunk and one part of the result."""
    import dask.array as da
    from dask.base import compute
    from dask.delayed import delayed

    source = cloud.source
    if isinstance(source.chunks[0], int):
        rows = (np.diff(cloud.edges).tolist(), (cloud.features,))
        source = da.from_array(source, chunks=tuple(map(tuple, rows)))
    chunks = source.rechunk({1: -1}).to_delayed()[:, 0].tolist()
    shared = delayed(directions)
    part, joined = delayed(_part, pure=False), delayed(_joined, pure=False)
    parts = [
        part(chunk, start, shared, cloud.dtype)
        for chunk, start in zip(chunks, cloud.edges[:-1], strict=True)
    ]
    while len(parts) > 1:
        parts = [joined(parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)]
    return cast(WidthStream, compute(parts[0])[0])


def _part(chunk: Any, start: int, directions: Directions, dtype: torch.dtype) -> WidthStream:
    stream = WidthStream(directions)
    cloud = Cloud(chunk, dtype, torch.device("cpu"))
    for first, rows in cloud.blocks(directions.columns.shape[1]):
        stream.update(rows, start + first)
    return stream


def _joined(parts: Iterable[WidthStream]) -> WidthStream:
    first, *others = parts
    joined = WidthStream(first.directions)
    return reduce(WidthStream.merge, [first, *others], joined)
