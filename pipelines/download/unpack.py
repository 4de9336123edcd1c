"""Unpacking of an archive to folders below the root: all of it, or nothing under its final name.

Members are written to a staging folder on the root's file system, from which whole folders are
moved to their places at the end. Only regular files below the wanted folders are written; a name
that would leave them, a link or a device is refused, whatever the archive's digest.
"""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from tqdm.auto import tqdm

from pipelines.download.catalogue import Archive
from pipelines.errors import PipelineError

PIECE = 1 << 20


@runtime_checkable
class Content(Protocol):
    """A file object of a member's bytes; zipfile and tarfile have their own classes."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""


Member = tuple[str, int, bool, Content | None]
"""Name, bytes, whether it is an ordinary file, and its content if so."""


def unpack(path: Path, archive: Archive, staging: Path, bar: tqdm) -> int:
    """Write an archive's folders below a staging folder; how many files they hold.

    Args:
        path: the archive.
        archive: entry of the archive in the catalogue.
        staging: an empty folder, which stands for the root.
        bar: shows bytes written.

    Raises:
        PipelineError: the archive is damaged, holds what it should not, or lacks what it should.
    """
    try:
        with _members(path, archive.kind) as members:
            files = sum(_write(member, archive, staging, bar) for member in members)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's own trouble: full, or read-only
        raise PipelineError(
            f"an undamaged {archive.kind} archive", f"{path.name}: {error}", "download it again"
        ) from error
    for inside, target in archive.contents:
        if not (staging / target).is_dir():
            raise PipelineError(f"{inside}/ in {path.name}", "no file below it", "report this")
    return files


def settle(archive: Archive, staging: Path, root: Path) -> None:
    """Move what is whole from a staging folder to its place, each folder or file at once."""
    for _, target in archive.contents:
        if not (root / target).exists():  # an interrupted call moved it before
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            (staging / target).rename(root / target)
    shutil.rmtree(staging)


@contextmanager
def _members(path: Path, kind: str) -> Iterator[Iterator[Member]]:
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            yield _zip_members(archive)
    else:
        with tarfile.open(path) as archive_:
            yield _tar_members(archive_)


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        if not info.is_dir():
            mode = info.external_attr >> 16
            plain = mode >> 12 in (0, 0o10)  # unknown, or a regular file
            with archive.open(info) as content:
                yield info.filename, info.file_size, plain, content


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        if not info.isdir():
            content = archive.extractfile(info) if info.isreg() else None
            yield info.name, info.size, info.isreg(), content
    # To the very end, where the compressed stream has its checksum: tarfile stops before.
    while archive.fileobj is not None and archive.fileobj.read(PIECE):
        pass


def _write(member: Member, archive: Archive, staging: Path, bar: tqdm) -> bool:
    """Write a member, if it is wanted; whether it was."""
    name, size, plain, content = member
    target = _target(name, archive)
    if target is None:
        return False
    if not plain or content is None:
        raise PipelineError(
            f"ordinary files in {archive.name}", f"{name!r}, a link or device", "report this"
        )
    path = staging / target
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(content, file, PIECE)
    bar.update(size)
    return True


def _target(name: str, archive: Archive) -> PurePosixPath | None:
    """Path of a member below the root; None if it is not wanted."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise PipelineError(
            f"names inside {archive.name} that stay there", repr(name), "report this, do not use it"
        )
    if path.name.startswith("._") or path.name in (".DS_Store", "Thumbs.db"):
        return None  # litter of file managers
    for inside, target in archive.contents:
        if path.is_relative_to(inside) and path != PurePosixPath(inside):
            return PurePosixPath(target) / path.relative_to(inside)
    return None
