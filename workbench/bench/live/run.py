"""`workbench bench live`: from a click to its heat map, from a slider to its segments, long and
many runs (`live.records`), and the cost of watching a training (`live.training`).

A click is measured from the pointer's event to the moment at which the picture's model has all new
values, which is when the kernel hands them to the browser. Drawing is done by HoloViews; our part
of the time is a row of its own.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import holoviews as hv
import numpy as np
from holoviews.streams import Stream, Tap

from workbench.bench.clustering import scene_features
from workbench.bench.live.browser import PageSizes, page_rows, page_targets
from workbench.bench.live.records import RecordSizes, record_rows, record_targets
from workbench.bench.live.training import TrainingSizes, training_rows, training_targets
from workbench.bench.measure import medians
from workbench.bench.records import Row, Target
from workbench.bench.report import Report
from workbench.evaluation.scenes.recut import Recut
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.runs.events import Event
from workbench.runs.provenance import provenance
from workbench.segmentation import Grid
from workbench.widgets import AffinityExplorer, CurveExplorer, SegmentationExplorer

OURS, WHOLE = "of it the figures", "event to picture"
CLICK = "click to heat map"
MOVE = "slider to segments and coverings"
OPEN = "opening a run"
LIMITS = {20: 0.1, 256: 0.2}
"""Promised seconds of a click, by the number of features."""
RECUT_LIMIT, OPEN_LIMIT = 0.15, 1.0
PROMISED = (321, 481)
PROMISED_STEPS = 100_000

Tasks = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class LiveSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        image: height and width, pixels; the affinity has a row for each.
        features: numbers of features of the affinity, for clicks.
        clusters: numbers of segments, for the slider.
        steps: number of steps of the run that is opened.
        repeats: number of rounds.
        records: sizes of the measurement of long and many runs; None: it is left out.
        page: sizes of the measurement in a browser; None: it is left out.
        training: sizes of the measurement of a training and its monitor; None: it is left out.
    """

    image: tuple[int, int] = PROMISED
    features: tuple[int, ...] = (20, 256)
    clusters: tuple[int, ...] = (2, 8, 16)
    steps: int = PROMISED_STEPS
    repeats: int = 9
    records: RecordSizes | None = field(default_factory=RecordSizes)
    page: PageSizes | None = field(default_factory=PageSizes)
    training: TrainingSizes | None = field(default_factory=TrainingSizes)


QUICK = LiveSizes(
    features=(20,),
    repeats=3,
    records=RecordSizes(100_000, 50, 200, 10, 10_000, repeats=2),
    training=TrainingSizes(spans=2, seconds=3.0, stops=2),
)


def bench_live(sizes: LiveSizes) -> Report:
    """Report of the benchmark, on runs that are written for it and deleted at the end."""
    origin = provenance()
    with tempfile.TemporaryDirectory(prefix="workbench-live-") as folder:
        rows = [
            row
            for measured in (_click_rows, _recut_rows, _opening_rows)
            for row in measured(sizes, Path(folder))
        ]
        if sizes.page is not None:
            snapshot = live_snapshot(sizes.image, 20, stride=8)
            rows += page_rows(sizes.page, Path(folder), snapshot)
        if sizes.records is not None:
            rows += record_rows(sizes.records, Path(folder))
        if sizes.training is not None:
            rows += training_rows(sizes.training, Path(folder))
    notes = (
        "Drawn features, one cell a pixel for clicks, one cell in 8×8 pixels for segments, as of "
        "AlexNet's ReLU-5 enlarged twice. Medians; the browser's own drawing is not in them. The "
        "training that is watched is of a tiny network, whose steps take a few hundredths of a "
        "second; monitor and cells are those of a kernel whose messages nobody draws.",
    )
    return Report("live", tuple(rows), tuple(_targets(sizes, rows)), notes, origin)


def live_snapshot(image: tuple[int, int], features: int, stride: int) -> Snapshot:
    """Snapshot as an evaluation keeps it, with random features.

    Args:
        image: height and width, pixels.
        features: number of features of the affinity.
        stride: side of a cell, pixels.
    """
    height, width = image
    shape = -(-height // stride), -(-width // stride)
    maps = scene_features(shape, features).T.reshape(features, *shape).numpy()
    truths = np.ones((5, height, width), np.uint16)
    for i, truth in enumerate(truths):  # as many people, each dividing the image elsewhere
        truth[:, width * (i + 1) // 6 :] = 2
        truth[height // 2 :] += 2
    values = np.linspace(1.0, 0.1, min(features, 20))
    return Snapshot(
        image=np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8),
        truths=truths,
        maps=np.ascontiguousarray(maps),
        grid=Grid.of_step(stride),
        eigenvalues=values,
        eigenvectors=np.zeros((len(values), -(-height // 4), -(-width // 4)), np.float32),
        rank=features,
        effective_rank=float(features),
        counts=np.array([6]),
        segmentations=np.ones((1, height, width), np.int32),
        coverings=np.full((1, 5), 0.5),
    )


def _run_with(snapshot: Snapshot, path: Path) -> Run:
    run = Run.create(path, {})
    run.snapshot(0, "scene", snapshot.to_arrays())
    return run


def _click_rows(sizes: LiveSizes, folder: Path) -> Iterator[Row]:
    for features in sizes.features:
        snapshot = live_snapshot(sizes.image, features, stride=1)
        explorer = AffinityExplorer(_run_with(snapshot, folder / f"click-{features}"))
        picture = explorer.pictures["affinity"]
        plot = hv.Store.renderers["bokeh"].get_plot(picture)
        (tap,) = (each for each in Stream.registry[picture] if type(each) is Tap)
        found = medians(
            {
                WHOLE: _turns(partial(_click, tap), sizes.image),
                OURS: _turns(explorer.values, sizes.image),
            },
            sizes.repeats,
        )
        assert plot.state.renderers, "nothing was drawn"
        height, width = sizes.image
        case = f"{CLICK}, {width}×{height}, {features} features"
        yield from (Row(case, method, seconds) for method, seconds in found.items())


def _click(tap: Tap, pixel: tuple[int, int]) -> None:
    tap.event(x=float(pixel[1]), y=float(pixel[0]))


def _turns(
    answer: Callable[[tuple[int, int]], object], image: tuple[int, int]
) -> Callable[[], object]:
    """Task that asks for another pixel each time: the same one twice would change nothing."""
    rng = np.random.default_rng(0)

    def turn() -> object:
        return answer((int(rng.integers(image[0])), int(rng.integers(image[1]))))

    return turn


def _recut_rows(sizes: LiveSizes, folder: Path) -> Iterator[Row]:
    snapshot = live_snapshot(sizes.image, 256, stride=8)
    explorer = SegmentationExplorer(_run_with(snapshot, folder / "recut"))
    plots = [
        hv.Store.renderers["bokeh"].get_plot(explorer.pictures[name])
        for name in ("cut", "coverings")
    ]
    recut = Recut(snapshot)
    seeds = iter(range(1, 1_000_000))  # another one each time, or it would be remembered

    def move(clusters: int) -> None:
        explorer.segments = clusters
        explorer.seed = next(seeds)

    def figures(clusters: int) -> object:
        return recut.coverings(recut.flat(clusters, next(seeds)))

    for clusters in sizes.clusters:
        explorer.segments = clusters
        tasks: Tasks = {WHOLE: partial(move, clusters), OURS: partial(figures, clusters)}
        found = medians(tasks, sizes.repeats)
        height, width = sizes.image
        case = f"{MOVE}, {width}×{height}, k = {clusters}"
        yield from (Row(case, method, seconds) for method, seconds in found.items())
    assert all(plot.state.renderers for plot in plots), "nothing was drawn"


def _opening_rows(sizes: LiveSizes, folder: Path) -> Iterator[Row]:
    path = folder / "long"
    Run.create(path, {})
    rng = np.random.default_rng(0)
    names = ("loss", "j2", "alignment", "rank", "condition", "gradient_norm", "learning_rate")
    with (path / "events.jsonl").open("ab") as file:
        for step, values in enumerate(rng.random((sizes.steps, len(names))), 1):
            fields = dict(zip(names, values.tolist(), strict=True))
            file.write(Event(step + 1, 1.7e9 + step, step, "metrics", fields).to_line())
    opened = Run.open(path)
    opened.metrics()
    explorer = CurveExplorer(path)
    plots = _drawn(explorer)
    window = iter(range(1, 1_000_000))

    def scroll() -> None:
        start = next(window) % max(sizes.steps // 2, 1)
        explorer._scroll("upper", (float(start), float(start + sizes.steps // 3)))

    def grow() -> object:
        opened.log(opened.step + 1, loss=1.0)
        return opened.metrics()

    case = f"{OPEN}, {sizes.steps:,} steps, {len(names)} measurements each"
    tasks = {
        "folder to table": lambda: Run.open(path).metrics(),
        "folder to curves": lambda: _drawn(CurveExplorer(path)),
        "scrolling a curve": scroll,
        "one step more": grow,
    }
    found = medians(tasks, sizes.repeats)
    assert plots, "nothing was drawn"
    yield from (Row(case, method, seconds) for method, seconds in found.items())


def _drawn(explorer: CurveExplorer) -> list[object]:
    renderer = hv.Store.renderers["bokeh"]
    return [renderer.get_plot(picture) for picture in explorer.pictures.values()]


def _targets(sizes: LiveSizes, rows: list[Row]) -> Iterator[Target]:
    """Targets of the benchmark; each is judged only at the sizes for which it is promised."""
    if sizes.image == PROMISED:
        yield from page_targets(rows)
        for features, limit in LIMITS.items():
            yield _within(rows, f"{CLICK}, 481×321, {features} features", WHOLE, limit)
        slowest = [
            row.seconds
            for row in rows
            if row.case.startswith(MOVE) and row.method == WHOLE and row.seconds is not None
        ]
        if slowest:
            words = f"{max(slowest) * 1e3:.0f} ms at the slowest k"
            name = f"segments and coverings within {RECUT_LIMIT * 1e3:.0f} ms, k ≤ 16"
            yield Target(name, words, max(slowest) <= RECUT_LIMIT)
    if sizes.steps == PROMISED_STEPS:
        case = next((row.case for row in rows if row.case.startswith(OPEN)), OPEN)
        yield _within(rows, case, "folder to curves", OPEN_LIMIT)
    yield from record_targets(rows)
    yield from training_targets(rows)


def _within(rows: list[Row], case: str, method: str, limit: float) -> Target:
    found = next((r.seconds for r in rows if (r.case, r.method) == (case, method)), None)
    name = f"{case} within {limit * 1e3:,.0f} ms"
    if found is None:
        return Target(name, "–", None)
    return Target(name, f"{found * 1e3:.0f} ms", found <= limit)
