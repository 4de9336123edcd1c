"""`workbench bench geometry`: mean width beside a plain matrix product, angles of all pairs.

Rates are taken in one process in turn, so that ratios hold on a busy machine. The worth of variance
reduction is a ratio of variances over seeds, not a time. scikit-dimension measures an intrinsic
dimension, which of what is here compares with the stable dimension in kind, not in value.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import torch
import zarr
from distributed import Client, LocalCluster
from torch import Tensor

from workbench.bench.measure import medians, peak_bytes
from workbench.bench.peers import Peer, Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_least, at_most
from workbench.geometry import mean_width, pair_statistics
from workbench.geometry.points import CPU_ENTRIES
from workbench.runs.provenance import provenance

SCIKIT_DIMENSION = Peer("skdim.id", "scikit-dimension==0.5.0")
OURS = "workbench"
PRODUCT = "plain matrix product"
DIMENSION = 64
CLOUD = 800
PROMISED = 100_000


@dataclass(frozen=True)
class GeometrySizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        points: number of points of the width.
        features: number of features.
        directions: number of directions.
        trials: number of seeds for the variances.
        stored: numbers of points in the stores; memory must not grow with them.
        chunk: points in a chunk of the stores.
        workers: numbers of Dask workers, of one thread each, on the larger store.
        paired: number of points whose pairs are taken.
        local: number of points for the intrinsic dimension.
        repeats: number of rounds.
    """

    points: int = PROMISED
    features: int = 512
    directions: int = 256
    trials: int = 200
    stored: tuple[int, int] = (20_000, 80_000)
    chunk: int = 10_000
    workers: tuple[int, ...] = (1, 2)
    paired: int = 20_000
    local: int = 5000
    repeats: int = 7


QUICK = GeometrySizes(points=20_000, trials=40, stored=(4000, 8000), chunk=1000, workers=(),
                      paired=4000, local=1000, repeats=3)  # fmt: skip


def bench_geometry(sizes: GeometrySizes, device: torch.device) -> Report:
    """Report of the benchmark: our figures beside a matrix product and the peers installed."""
    peers, origin = Peers(), provenance()
    width_rows, rate = _width_rows(sizes, device)
    worth_rows, worth = _worth_rows(sizes.trials, sizes.directions)
    stored_rows, growth, over = _stored_rows(sizes)
    worker_rows, speed = _worker_rows(sizes)
    pair_rows, share = _pair_rows(sizes, device)
    rows = [
        *width_rows,
        *worth_rows,
        *stored_rows,
        *worker_rows,
        *pair_rows,
        *_local_rows(sizes, peers),
    ]
    at_size = sizes.points == PROMISED
    targets: tuple[Target, ...] = (
        at_least("variance reduction worth 5 × directions on each cloud", worth, 5.0, "{} ×"),
    )
    if at_size:
        targets = (
            at_least("mean width at 60 % of a product's rate", 100 * rate, 60.0, "{} %"),
            *targets,
            at_most("peak of all pairs, of an N×N matrix", share, 0.5, "{} ×"),
            at_most("peak of a worker over one chunk's working set", over, 1.1, "{} ×"),
            at_most("peak on four times the points", growth, 1.1, "{} ×"),
            at_least("speed with two workers, of one worker's", speed, 1.8, "{} ×"),
        )
    notes = (
        "Error of the clouds: standard deviation of the width over seeds, relative to the width.",
        "A chunk's working set: the chunk as read, and the products of one of its blocks, 8 MiB.",
        *peers.notes(),
    )
    return Report("geometry", tuple(rows), targets, notes, origin)


def four_clouds() -> dict[str, Tensor]:
    """Unit vectors in 64 dimensions: sphere, 5-dimensional subspace, clusters, 4-sparse."""
    generator = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, generator=generator)

    def unit(x: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / norms

    places = torch.rand(CLOUD, DIMENSION, generator=generator).argsort(1)[:, :4]
    centres = unit(normal(10, DIMENSION))[torch.arange(CLOUD) % 10]
    return {
        "sphere": unit(normal(CLOUD, DIMENSION)),
        "5-dim. subspace": unit(normal(CLOUD, 5) @ normal(5, DIMENSION)),
        "10 clusters": unit(centres + 0.03 * normal(CLOUD, DIMENSION)),
        "4-sparse": unit(torch.zeros(CLOUD, DIMENSION).scatter(1, places, normal(CLOUD, 4))),
    }


def _width_rows(sizes: GeometrySizes, device: torch.device) -> tuple[list[Row], float]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sizes.points, sizes.features, generator=generator).to(device)
    g = torch.randn(sizes.features, sizes.directions, generator=generator).to(device)
    tasks: dict[str, Callable[[], object]] = {
        OURS: lambda: mean_width(x, directions=sizes.directions),
        PRODUCT: lambda: x @ g,
        "max and min of that product": lambda: (x @ g).aminmax(dim=0),
    }
    seconds = medians(tasks, sizes.repeats)
    case = f"mean width {sizes.points:,}×{sizes.features}, R = {sizes.directions}"
    floor = f"{2e-9 * sizes.points * sizes.features * sizes.directions:.3g} Gflop"
    rows = [
        Row(case, name, seconds[name], seconds[name] / seconds[OURS], peak_bytes(task, device),
            floor=floor)
        for name, task in tasks.items()
    ]  # fmt: skip
    return rows, seconds[PRODUCT] / seconds[OURS]


def _worth_rows(trials: int, directions: int) -> tuple[list[Row], float]:
    """Relative errors of plain and of our directions; the least ratio of variances."""
    rows, ratios = [], []
    for name, x in four_clouds().items():
        ours = np.array([
            mean_width(x, directions=directions, seed=seed).value
            for seed in range(trials)
        ])  # fmt: skip
        plain = np.array([_plain(x, directions, seed) for seed in range(trials)])
        worth = float(plain.var() / max(ours.var(), 1e-30))
        ratios.append(worth)
        case = f"{name}, {CLOUD} points, {directions} directions"
        rows.append(Row(case, OURS, error=float(ours.std() / ours.mean()),
                        floor=f"worth {worth:.3g} × directions"))  # fmt: skip
        rows.append(Row(case, "plain directions", error=float(plain.std() / plain.mean())))
    return rows, min(ratios)


def _plain(x: Tensor, directions: int, seed: int) -> float:
    g = torch.randn(x.shape[1], directions, generator=torch.Generator().manual_seed(seed))
    products = x @ g
    return float((products.amax(0) - products.amin(0)).mean())


def _stored_rows(sizes: GeometrySizes) -> tuple[list[Row], float, float]:
    """Times and peaks of one worker on two stores; the peak's growth, and over a working set."""
    rows: list[Row] = []
    peaks: list[int] = []
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="synchronous"):
        for count in sizes.stored:
            store = _store(Path(folder) / f"{count}.zarr", count, sizes)
            task = partial(mean_width, store, directions=sizes.directions)
            seconds = medians({OURS: task}, 1)[OURS]
            peaks.append(peak_bytes(task, torch.device("cpu")))
            case = f"zarr store {count:,}×{sizes.features}, chunks of {sizes.chunk:,}"
            rows.append(Row(case, OURS, seconds, peak=peaks[-1], floor=f"{_set(sizes):,} bytes"))
    return rows, peaks[1] / max(peaks[0], 1), peaks[0] / _set(sizes)


def _worker_rows(sizes: GeometrySizes) -> tuple[list[Row], float]:
    """Times on clusters of this machine, and the speed with the most workers over the fewest."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        count = 2 * sizes.stored[1]
        store = _store(Path(folder) / "points.zarr", count, sizes) if sizes.workers else None
        for workers in sizes.workers:
            options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            with LocalCluster(**options) as cluster, Client(cluster):
                task = partial(mean_width, store, directions=sizes.directions)
                task()  # workers import torch in their first task
                seconds = medians({OURS: task}, 3)
            case = f"zarr store {count:,}×{sizes.features}, Dask workers: {workers}"
            rows.append(Row(case, OURS, seconds[OURS]))
    times = [row.seconds for row in rows if row.seconds is not None]
    return rows, times[0] / times[-1] if times else float("nan")


def _set(sizes: GeometrySizes) -> int:
    """Bytes of a chunk's working set: the chunk, and the products of one of its blocks."""
    return 4 * (sizes.chunk * sizes.features + CPU_ENTRIES)


def _store(path: Path, count: int, sizes: GeometrySizes) -> Any:
    shape, chunks = (count, sizes.features), (sizes.chunk, sizes.features)
    store = zarr.create_array(str(path), shape=shape, chunks=chunks, dtype="f4", compressors=None)
    rng = np.random.default_rng(0)
    for start in range(0, count, sizes.chunk):
        store[start : start + sizes.chunk] = rng.standard_normal(chunks, dtype="f4")
    return store


def _pair_rows(sizes: GeometrySizes, device: torch.device) -> tuple[list[Row], float]:
    """Time and peak of all pairs' angles; the peak over the bytes of the matrix."""
    x = torch.randn(sizes.paired, sizes.features, generator=torch.Generator().manual_seed(0))
    x = x.to(device)
    tasks: dict[str, Callable[[], object]] = {
        OURS: lambda: pair_statistics(x),
        "plain product of all pairs, in blocks": lambda: _blocks_only(x),
    }
    seconds = medians(tasks, 1)
    peaks = {name: peak_bytes(task, device) for name, task in tasks.items()}
    case = f"angles of all pairs, {sizes.paired:,}×{sizes.features}"
    rows = [
        Row(case, name, seconds[name], seconds[name] / seconds[OURS], peaks[name]) for name in tasks
    ]
    return rows, peaks[OURS] / (4 * sizes.paired**2)


def _blocks_only(x: Tensor) -> None:
    for part in x.split(1024):
        part @ x.T


def _local_rows(sizes: GeometrySizes, peers: Peers) -> list[Row]:
    """Dimension of a 5-dimensional cloud: ours, and scikit-dimension's, of another kind."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sizes.local, 5, generator=generator) @ torch.randn(
        5, DIMENSION, generator=generator
    )
    tasks: dict[str, Callable[[], object]] = {OURS: lambda: mean_width(x)}
    if dimensions := peers.find(SCIKIT_DIMENSION):
        points = x.numpy()
        for name in ("TwoNN", "MLE"):
            tasks[f"scikit-dimension {name}"] = partial(_fit, getattr(dimensions, name), points)
    seconds = medians(tasks, 1)
    case = f"dimension of {sizes.local:,} points, 5 of {DIMENSION} dimensions"
    return [
        Row(case, name, seconds[name], seconds[name] / seconds[OURS],
            floor=f"finds {_dimension(task()):.3g}")
        for name, task in tasks.items()
    ]  # fmt: skip


def _fit(estimator: Any, points: np.ndarray) -> float:
    return float(estimator().fit(points).dimension_)


def _dimension(found: Any) -> float:
    return found if isinstance(found, float) else float(found.stable_dimension)
