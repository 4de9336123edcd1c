"""Expected SHA-256 of an archive: the catalogue's, the user's, or that of the first download.

Trust on first use: where nobody has published a digest, the first one seen is kept in
`digests.json`, by address, and every later download of that address must have it. It is kept only
once the archive has been unpacked without an error.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from pipelines.download.catalogue import Archive
from pipelines.errors import PipelineError
from pipelines.files import atomic_write

FILE = "digests.json"


class WrongDigest(PipelineError):
    """A file is not the one that was meant."""


def known(archive: Archive, folder: Path, given: dict[str, str]) -> tuple[str | None, str]:
    """The digest that an archive must have, if there is one, and who says so.

    Args:
        archive: the archive.
        folder: folder of `digests.json`.
        given: part → digest that the user vouches for; it goes before any other.

    Raises:
        PipelineError: `digests.json` cannot be read.
    """
    if archive.part in given:
        return given[archive.part], "the digest that you gave"
    if archive.sha256 is not None:
        return archive.sha256, "the digest in the catalogue"
    seen = _read(folder).get(archive.url)
    if seen is not None:
        return seen["sha256"], f"the digest of the first download, {seen['first_seen']}"
    return None, "nobody has published a digest: the first download is trusted, and kept to"


def check(path: Path, archive: Archive, wanted: str | None, source: str) -> str:
    """The file's digest, if it is the one wanted.

    Raises:
        WrongDigest: it is not.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted is not None and found != wanted:
        raise WrongDigest(
            f"SHA-256 {wanted} of {archive.name} ({source})",
            found,
            "it was deleted; try again, and if it stays so, look at the dataset's homepage: a file "
            f"that was replaced there is accepted with --sha256 {archive.part}=DIGEST",
        )
    return found


def remember(archive: Archive, digest: str, folder: Path) -> None:
    """Keep a first digest, for `known` to demand."""
    seen = _read(folder)
    if archive.url not in seen:
        today = datetime.now(UTC).date().isoformat()
        seen[archive.url] = {"sha256": digest, "first_seen": today}
        with atomic_write(folder / FILE) as file:
            file.write(json.dumps(seen, indent=2, sort_keys=True).encode() + b"\n")


def parse(pairs: tuple[str, ...]) -> dict[str, str]:
    """Part → digest, of "part=digest".

    Raises:
        PipelineError: a pair is something else.
    """
    given: dict[str, str] = {}
    for pair in pairs:
        part, _, digest = pair.partition("=")
        if not part or not re.fullmatch("[0-9a-fA-F]{64}", digest):
            raise PipelineError("PART=DIGEST, 64 hex digits", repr(pair), "correct --sha256")
        given[part] = digest.lower()
    return given


def _read(folder: Path) -> dict[str, dict[str, str]]:
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        seen: dict[str, dict[str, str]] = json.loads(file.read_text())
    except ValueError as error:
        raise PipelineError(
            f"digests of earlier downloads in {file}", f"no JSON ({error})", "restore it"
        ) from error
    return seen
