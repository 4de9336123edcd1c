"""`workbench bench pipeline`: preprocessing, loading and planning beside code without pipelines.

Preprocessing is compared with its floor (`pipeline.preprocess`), loading with torch's DataLoader
and a memory map (`pipeline.loading`); planning is measured on annotations as long as full COCO's.
"""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.sources.sample import write_sample
from workbench.bench.pipeline import loading, preprocess
from workbench.bench.pipeline.data import part_of
from workbench.bench.pipeline.loading import LoadingSizes
from workbench.bench.pipeline.planning import plan_cost
from workbench.bench.pipeline.report import PipelineReport, PlanCost, Rate
from workbench.bench.records import Row, Target
from workbench.bench.report import at_least, at_most, find
from workbench.runs.provenance import provenance

GIB = 2**30


@dataclass(frozen=True)
class PipelineSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        images: number of images from each split of the dataset; None: all.
        copies: number of copies of each image in the dataset that is preprocessed.
        workers: cluster sizes of the preprocessing.
        rounds: number of rounds of the preprocessing.
        loading: sizes and repeats of the loading.
        shares: shares of full COCO that are planned.
        sample: scenes to train on and held out, height and width, where there is no real data.
    """

    images: int | None = None
    copies: int = 2
    workers: tuple[int, ...] = (1, 2)
    rounds: int = 3
    loading: LoadingSizes = field(default_factory=LoadingSizes)
    shares: tuple[float, ...] = (1 / 16, 1 / 4, 1.0)
    sample: tuple[int, int, int, int] = (160, 80, 480, 640)


QUICK = PipelineSizes(
    images=40,
    copies=1,
    rounds=2,
    loading=LoadingSizes(seconds=0.3, crops=600, photographs=200, rounds=2),
    shares=(1 / 16,),
    sample=(40, 20, 240, 320),
)


def bench_pipeline(
    sizes: PipelineSizes, data: Path | None = None, scratch: Path | None = None
) -> PipelineReport:
    """Report of the benchmark.

    Args:
        sizes: sizes and repeats.
        data: COCO's folder, or the one above it; None: a synthetic sample takes its place.
        scratch: folder on the disk for temporary files; default: the system's.
    """
    origin, load = provenance(), os.getloadavg()[0]
    with TemporaryDirectory(dir=scratch) as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pycocotools' of numpy's next version
        folder = Path(name)
        root = _dataset(sizes, data, folder)
        part = part_of(root, folder / "part", sizes.images, sizes.copies)
        once = part_of(root, folder / "once", sizes.images, 1)
        rows = preprocess.preprocessing_rates(
            part, _new(folder / "written"), sizes.workers, sizes.rounds
        )
        rows += loading.loading_rates(
            loading.fill_shelf(once, _new(folder / "shelf")), sizes.loading
        )
        plans = tuple(plan_cost(share, folder) for share in sizes.shares)
    real = data is not None and sizes.images is None
    notes = (
        f"{'COCO in ' + str(data) if data else 'No real data: synthetic scenes in the layout'}"
        f"{'' if data else ' of COCO, whose photographs are cheaper; nothing is judged'}"
        f"{'' if sizes.images is None else f'; up to {sizes.images} images of each split'}. "
        f"What is preprocessed has each image {sizes.copies} time(s).",
        f"Load of the machine at the start {load:.1f}, at the end {os.getloadavg()[0]:.1f}, "
        f"{os.cpu_count()} cores. Everybody has a turn in every round; the ratio is the median of "
        "the rounds' ratios, so that other work slows both sides.",
        "The floor decodes, crops and resizes images and masks with the pipelines' own functions "
        "and writes nothing, in as many processes and without Dask. Ours plans, computes "
        "digests, writes both arrays and the table, and waits for the disk (fsync); the loop and "
        "the bag do not wait. Starting processes is not counted for anybody.",
        "Loading: two threads or two worker processes, batches of 100 uint8 on the host, files in "
        "the page cache. The first epoch compares every region with its digest.",
        *(_ceiling(case, rows) for case in loading.CASES),
        "Planning: sparse image files, 118,287 with 860,001 instances at share 1; polygons as "
        "long as COCO's. Memory is the planning process's own peak.",
    )
    rated: tuple[Row, ...] = tuple(rows)
    targets = tuple(_targets(rows, plans))
    if not real:
        targets = tuple(
            target if target.name.startswith("3") else replace(target, met=None)
            for target in targets
        )
    return PipelineReport("pipeline", rated, targets, notes, origin, plans=plans)


def _ceiling(case: str, rows: list[Rate]) -> str:
    """Sentence on the rate that a loader could reach which copies each batch once."""
    ratios = {row.method: row.ratio or 0.0 for row in rows if row.case == case}
    gather = min(ratios[loading.MAP], ratios[loading.MAP_THREADS])
    return (
        f"{case[0].upper()}{case[1:]}: the faster {loading.MAP} is itself "
        f"{ratios[loading.CROPS] / gather:.0f}× {loading.CROPS} and "
        f"{ratios[loading.COCO] / gather:.0f}× {loading.COCO}."
    )


def _dataset(sizes: PipelineSizes, data: Path | None, folder: Path) -> Path:
    """Folder with annotations/: COCO's, or a sample written for the benchmark."""
    if data is not None:
        return data / "coco2017" if (data / "coco2017").is_dir() else data
    train, test, height, width = sizes.sample
    write_sample(folder / "raw", train=train, test=test, size=(height, width), layout="coco")
    return folder / "raw"


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _targets(rows: list[Rate], plans: tuple[PlanCost, ...]) -> Iterator[Target]:
    yield from _preprocessing_targets(rows)
    for case in loading.CASES:
        ratios = {row.method: row.ratio for row in rows if row.case == case}
        for rival, bound in ((loading.CROPS, 20.0), (loading.COCO, 150.0)):
            yield at_least(f"2. {case}: {bound:.0f}× {rival}", ratios.get(rival), bound, "{}×")
        gather = ratios.get(loading.MAP)
        yield at_least(f"2. {case}: 0.7 of a {loading.MAP}'s rate", gather, 0.7, "{}")
        compressed, crops = ratios.get(loading.COMPRESSED), ratios.get(loading.CROPS)
        faster = crops / compressed if crops and compressed else None
        yield at_least(f"2. {case}: compressed, 5× {loading.CROPS}", faster, 5.0, "{}×")
    full = next((plan for plan in plans if plan.share == 1), None)
    if full is not None:
        yield at_most("3. full COCO planned in 60 s", full.seconds, 60.0, "{} s")
        yield at_most("3. full COCO planned in 2 GiB", full.peak / GIB, 2.0, "{} GiB")


def _preprocessing_targets(rows: list[Rate]) -> Iterator[Target]:
    cases = list(dict.fromkeys(row.case for row in rows if row.case not in loading.CASES))
    for case in cases:
        floor = find(rows, case, preprocess.FLOOR)
        found = floor.ratio if floor else None
        yield at_least(f"1. {case}: 0.85 of the floor's rate", found, 0.85, "{}")
    speedups = {
        method: _gain([find(rows, case, method) for case in cases])
        for method in (preprocess.OURS, preprocess.FLOOR)
    }
    ours, floor_gain = speedups[preprocess.OURS], speedups[preprocess.FLOOR]
    if ours and floor_gain:
        words = f"{{}}×, the floor {floor_gain:.2f}×"
        yield at_least("1. 1.8× from one worker to two", ours, 1.8, words)


def _gain(found: list[Row | None]) -> float | None:
    """Speed of the last case over that of the first; None where one of them is missing."""
    seconds = [row.seconds for row in found if row is not None and row.seconds]
    return seconds[0] / seconds[-1] if len(seconds) > 1 else None
