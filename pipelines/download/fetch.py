"""Downloads a dataset part after part: fetch, check, unpack; parts that are there are kept."""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import httpx
from tqdm.auto import tqdm

from pipelines.download import digests
from pipelines.download.catalogue import CATALOGUE, Archive, Dataset
from pipelines.download.transfer import TIMEOUT, Patience, fetch
from pipelines.download.unpack import settle, unpack
from pipelines.download.weights import Convert, converter
from pipelines.errors import PipelineError
from pipelines.files import atomic_write

FOLDER = ".downloads"
"""Folder below the root for transfers in progress, marks of finished parts, `digests.json`."""
SPARE = 200 << 20
"""Bytes that must stay free on the disk."""


@dataclass(frozen=True)
class Outcome:
    """The result for one part.

    Attributes:
        archive: the part.
        sha256: its digest; none if it was there before.
        trusted: it is the first of its address, and nobody has published one to compare.
        files: files unpacked.
    """

    archive: Archive
    sha256: str | None
    trusted: bool
    files: int

    def __str__(self) -> str:
        where = ", ".join(target for _, target in self.archive.contents)
        if self.sha256 is None:
            return f"{self.archive.part}: was there already, in {where}"
        how = "TRUSTED ON FIRST USE, kept for later" if self.trusted else "as it should be"
        return (
            f"{self.archive.part}: {self.files:,} files in {where}\n  SHA-256 {self.sha256}, {how}"
        )


def select(dataset: Dataset, parts: Sequence[str] = ()) -> tuple[Archive, ...]:
    """A dataset's archives by the names of its parts; all of them by none.

    Raises:
        PipelineError: there is no such part.
    """
    names = [archive.part for archive in dataset.archives]
    if strangers := [part for part in parts if part not in names]:
        raise PipelineError(
            f"parts out of {', '.join(names)}", ", ".join(strangers), "correct --parts"
        )
    return tuple(each for each in dataset.archives if not parts or each.part in parts)


class State(Enum):
    """State of the place where an archive's contents belong."""

    MISSING = "to be fetched"
    DONE = "there already"
    FOREIGN = "there already, and not by this command"


def state(archive: Archive, root: Path) -> State:
    """State of an archive's place: whether it was unpacked there, by us.

    The mark is written when all is unpacked and before it is moved to its place: with a mark, what
    lies there is ours and whole.
    """
    present = [(root / target).exists() for _, target in archive.contents]
    if _mark(archive, root / FOLDER).is_file():
        return State.DONE if all(present) else State.MISSING
    return State.FOREIGN if any(present) else State.MISSING


def download(
    name: str,
    root: Path,
    *,
    parts: Sequence[str] = (),
    given: dict[str, str] | None = None,
    keep: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = lambda line: None,
    catalogue: dict[str, Dataset] = CATALOGUE,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    convert: Convert | None = None,
) -> list[Outcome]:
    """Fetch what is missing of a dataset and unpack it below the root.

    Args:
        name: name of the dataset in the catalogue.
        root: the folder of datasets, as WORKBENCH_DATA names it; made if need be.
        parts: names of the archives; default: all.
        given: part → SHA-256 that the user vouches for, in place of the catalogue's.
        keep: leave the archives in `.downloads/` after they are unpacked.
        progress: show bars.
        say: function that is called with each part's outcome, in words.
        catalogue: datasets by name.
        patience: patience with servers that fail.
        convert: converter of weights to features; default: that of `workbench`.

    Raises:
        PipelineError: what stands in the way, and what to do. What has arrived stays.
        OSError: the disk fails.
    """
    archives = select(_dataset(name, catalogue), parts)
    given = given or {}
    select(_dataset(name, catalogue), tuple(given))
    states = {archive: state(archive, root) for archive in archives}
    for archive in archives:
        if states[archive] is State.FOREIGN:
            raise PipelineError(
                f"nothing yet at {', '.join(str(root / to) for _, to in archive.contents)}",
                "something that this command did not put there",
                "name another --root, or move it away to have it downloaded",
            )
    missing = [archive for archive in archives if states[archive] is State.MISSING]
    outcomes: list[Outcome] = []
    folder = _folder(root)
    with _alone(folder), httpx.Client(timeout=TIMEOUT) as client:
        _check_space(missing, folder, keep=keep)
        if convert is None and any(archive.kind == "weights" for archive in missing):
            convert = converter()  # before hundreds of megabytes, not after
        job = _Job(client, root, given, keep, progress, patience, convert)
        for archive in archives:
            if archive in missing:
                outcomes.append(job.bring(archive))
            else:
                outcomes.append(Outcome(archive, None, False, 0))
            say(str(outcomes[-1]))
    return outcomes


@dataclass(frozen=True)
class _Job:
    """Arguments of `download` that its parts share."""

    client: httpx.Client
    root: Path
    given: dict[str, str]
    keep: bool
    progress: bool
    patience: Patience
    convert: Convert | None

    def bring(self, archive: Archive) -> Outcome:
        """Fetch, check and unpack one archive."""
        folder = self.root / FOLDER
        path = folder / archive.name
        wanted, source = digests.known(archive, folder, self.given)
        # A digest that the user vouches for may be that of a file of another size.
        size = archive.size if archive.exact and archive.part not in self.given else None
        if not path.is_file():
            with self._bar(archive.name, archive.size) as bar:
                fetch(self.client, archive.url, path, size=size, patience=self.patience, bar=bar)
        try:
            digest = digests.check(path, archive, wanted, source)
        except digests.WrongDigest:
            path.unlink()
            raise
        staging = folder / f"{archive.name}.unpacked"
        files = self._unpack(path, archive, staging)
        if wanted is None:
            digests.remember(archive, digest, folder)
        mark = {"url": archive.url, "sha256": digest, "files": files}
        with atomic_write(_mark(archive, folder)) as file:
            file.write(json.dumps(mark, indent=2).encode() + b"\n")
        settle(archive, staging, self.root)
        if not self.keep:
            path.unlink()
        return Outcome(archive, digest, wanted is None, files)

    def _unpack(self, path: Path, archive: Archive, staging: Path) -> int:
        """Into a fresh staging folder; how many files."""
        if staging.exists():  # of an interrupted call
            shutil.rmtree(staging)
        staging.mkdir()
        if archive.kind != "weights":
            with self._bar(f"unpacking {archive.name}", archive.unpacked) as bar:
                return unpack(path, archive, staging, bar)
        assert self.convert is not None
        for backbone, target in archive.contents:
            (staging / target).parent.mkdir(parents=True, exist_ok=True)
            self.convert(path, staging / target, backbone)
        return len(archive.contents)

    def _bar(self, name: str, size: int) -> tqdm:
        return tqdm(total=size, unit="B", unit_scale=True, desc=name, disable=not self.progress)


def _dataset(name: str, catalogue: dict[str, Dataset]) -> Dataset:
    if name not in catalogue:
        raise PipelineError(f"a dataset out of {', '.join(catalogue)}", repr(name), "name one")
    return catalogue[name]


def _folder(root: Path) -> Path:
    try:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(
            f"a folder to write to at {root}", f"{error.strerror}", "name another --root"
        ) from error
    return root / FOLDER


def _mark(archive: Archive, folder: Path) -> Path:
    return folder / f"{archive.name}.done"


def _check_space(archives: Sequence[Archive], folder: Path, *, keep: bool) -> None:
    """Refuse a download for which the disk has too little room."""
    unpacked = sum(archive.unpacked for archive in archives)
    packed = [archive.size for archive in archives]
    needed = unpacked + (sum(packed) if keep else max(packed, default=0))
    here = sum(
        path.stat().st_size
        for archive in archives
        for path in (folder / archive.name, folder / f"{archive.name}.part")
        if path.is_file()
    )
    free = shutil.disk_usage(folder).free
    if archives and needed - here + SPARE > free:
        raise PipelineError(
            f"{(needed - here + SPARE) / 1e9:.1f} GB free for download and unpacking in {folder}",
            f"{free / 1e9:.1f} GB",
            "make room, take fewer --parts, or name a --root on another disk",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock of a root: two downloads to it would write into each other's parts."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PipelineError(
                f"no other download to {folder.parent}", "one that runs", "wait for its end"
            ) from error
        yield
