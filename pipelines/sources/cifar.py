"""CIFAR-10 in three layouts: 60,000 images of 32×32 pixels in ten categories.

    cifar-10-batches-bin/   data_batch_1.bin … data_batch_5.bin, test_batch.bin: rows of a byte with
                            the label and three planes of 1,024 bytes; batches.meta.txt
    cifar-10-batches-py/    data_batch_1 … data_batch_5, test_batch, batches.meta: pickles
    *.zip                   {train,test}/<category>/NNNN.jpg, JPEG or PNG

The first one that is there is read. A record is a raw file and the place of each of its images:
a unit reads the bytes of its own images, whatever the file's size. Records keep a CRC-32 of each
image too: bytes that changed since the plan stop the unit, a damaged member of a zip is
quarantined.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines import schema
from pipelines.errors import BadInput, PipelineError
from pipelines.records import Item, Listing
from pipelines.sources.cifar_batches import BATCHES, find_binary, find_pickled, read_row
from pipelines.sources.cifar_records import CATEGORIES, SIDE, SPLITS, Found, ImagesRecord
from pipelines.sources.cifar_zip import find_zipped, read_member
from pipelines.sources.source import IMAGES, Parameters, Reader, Source

LAYOUTS: dict[str, tuple[tuple[str, ...], Callable[[Path], Found]]] = {
    "CIFAR-10, binary": (tuple(f"{name}.bin" for name, _ in BATCHES), find_binary),
    "CIFAR-10, pickles": (tuple(name for name, _ in BATCHES), find_pickled),
    "CIFAR-10, zip of images": (("*.zip",), find_zipped),
}
"""Layout → patterns of files of which one is there, and what lists them; without loss first."""
NESTED = (
    *("cifar10/cifar-10-batches-bin", "cifar10/cifar-10-batches-py", "cifar10"),
    *("cifar-10-batches-bin", "cifar-10-batches-py", ""),
)
"""Folders below a given one where the dataset may lie, as its archives unpack.

Those without loss come before zips, and the folder itself last: it may hold zips of other datasets.
"""


def discover(root: Path) -> Listing:
    """Listing of all images, train before test.

    Reads whole files once: digests of files and images are part of the plan.

    Raises:
        PipelineError: no dataset, a file that is missing, damaged or of another length, or a
            category without images in a split.
    """
    base, layout = _locate(root)
    found = LAYOUTS[layout][1](base)
    records = found.records
    _check_categories(found.names, records, base)
    splits = {name: sum(r.items for r in records if r.split == name) for name in SPLITS}
    return Listing(
        base,
        layout,
        schema.labelled_images(SIDE),
        records,
        splits=tuple(splits.items()),
        raw_bytes=sum(size for _, size in {(r.file.path, r.file.size) for r in records}),
        largest=(SIDE, SIDE),
        categories=tuple(enumerate(found.names)),
        notes=found.notes,
    )


def items(
    record: ImagesRecord,
    root: Path,
    options: Parameters,
    categories: Mapping[int, int],
) -> Iterator[Item]:
    """The images of a record, each decoded or quarantined.

    Raises:
        PipelineError: the file has changed since the plan was made.
    """
    with _opened(record, root) as file:
        for each in record.images:
            row: dict[str, Any] = {
                "split": record.split,
                "image_source": record.file.path,
                "image_sha256": record.sha256,
                "id": each.id,
                "category": categories[each.category],
                "number": each.number,
            }
            try:
                pixels = (read_member if record.zipped else read_row)(file, record, each)
            except BadInput as error:
                yield Item(each.id, record.file.path, row, None, problem=str(error))
                continue
            row |= {"height": SIDE, "width": SIDE}
            yield Item(each.id, record.file.path, row, {"image": pixels})


def _locate(root: Path) -> tuple[Path, str]:
    for nested in NESTED:
        for layout, (patterns, _) in LAYOUTS.items():
            if any(any((root / nested).glob(pattern)) for pattern in patterns):
                return root / nested, layout
    names = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else ()
    raise PipelineError(
        f"data_batch_1.bin …, data_batch_1 … or a zip of train/ and test/ in {root}",
        ", ".join(names) or "nothing",
        "name the dataset's folder with --root, or: python -m pipelines download cifar10",
    )


def _check_categories(names: Sequence[str], records: Sequence[ImagesRecord], base: Path) -> None:
    """Check that there are ten categories, all of them in both splits."""
    if len(set(names)) != CATEGORIES:
        raise PipelineError(
            f"{CATEGORIES} categories in {base}",
            f"{len(names)}" + f": {', '.join(names)}" * bool(names),
            "restore what is missing: python -m pipelines download cifar10",
        )
    for split in SPLITS:
        counts = Counter(each.category for r in records if r.split == split for each in r.images)
        if missing := [name for number, name in enumerate(names) if not counts[number]]:
            raise PipelineError(
                f"images of all {CATEGORIES} categories in {split} of {base}",
                f"none of {', '.join(missing)}",
                "restore what is missing: python -m pipelines download cifar10",
            )


@contextmanager
def _opened(record: ImagesRecord, root: Path) -> Iterator[int]:
    """Descriptor of a record's file, if it still is as long as when the plan was made."""
    descriptor = os.open(root / record.file.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if (size := os.fstat(descriptor).st_size) != record.file.size:
            raise PipelineError(
                f"{record.file.size} bytes in {record.file.path} as the plan has it",
                f"{size}",
                "plan anew: run with --overwrite",
            )
        yield descriptor
    finally:
        os.close(descriptor)


SOURCE = Source(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar10",
    readers=(Reader(IMAGES, ImagesRecord, items),),
    discover=lambda root, _, given: discover(Path(root)),
)
