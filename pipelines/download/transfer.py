"""Transfer of a file over HTTP, continued where an earlier one stopped.

What has arrived lies in `NAME.part`; `NAME.part.json` holds the validator (ETag or Last-Modified)
of the version that it is part of. A transfer goes on from there only if the server confirms that
it still has that version (`If-Range`, RFC 9110 §13.1.5); otherwise it begins anew. Failures that
may pass (no connection, 408, 429, 5xx, a transfer cut short) are tried again after a pause that
doubles; a refusal is reported at once. As long as bytes arrive, patience starts over.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from tqdm.auto import tqdm

from pipelines.errors import PipelineError

TIMEOUT = httpx.Timeout(30.0, connect=15.0)
LONGEST = 60.0
"""Longest pause between two attempts in seconds."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
USER_AGENT = "structured-layers-workbench"


@dataclass(frozen=True)
class Patience:
    """Number of attempts without a byte of progress, and the first pause between two in seconds."""

    attempts: int = 6
    pause: float = 1.0


class _Failed(Exception):
    """An attempt that may be repeated.

    Attributes:
        wait: seconds that the server asks for.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    client: httpx.Client, url: str, target: Path, *, size: int | None, patience: Patience, bar: tqdm
) -> None:
    """Bring a file to `target`, of which a part may be there.

    Args:
        client: to ask with.
        url: address of the file.
        target: path of the file; until it is whole, it lies in `target`.part.
        size: bytes that it must have, if known.
        patience: patience with a server that fails.
        bar: shows the bytes, those of earlier transfers included.

    Raises:
        PipelineError: the server refuses, has another file, or fails for too long.
    """
    part = target.with_name(target.name + ".part")
    failures, furthest = 0, _size(part)
    while True:
        try:
            _attempt(client, url, part, size, bar)
            break
        except (_Failed, httpx.TransportError) as error:
            reached = _size(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= patience.attempts:
                raise PipelineError(
                    f"{url} in whole",
                    f"{failures} failures in a row, the last one: {error or type(error).__name__}",
                    f"try again later: the same command goes on from {reached:,} bytes",
                ) from error
            wait = patience.pause * 2 ** (failures - 1)
            time.sleep(min(max(wait, getattr(error, "wait", 0.0)), LONGEST))
    part.replace(target)
    _validator_file(part).unlink(missing_ok=True)


def _attempt(client: httpx.Client, url: str, part: Path, size: int | None, bar: tqdm) -> None:
    """Send one request and keep as much of its answer as arrives."""
    validator = _validator(part)
    have = _size(part) if validator else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with client.stream("GET", url, headers=headers, follow_redirects=True) as answer:
        if answer.status_code == 416 and have:
            # All of it is here already, or it is no part of what the server has now.
            if answer.headers.get("Content-Range") == f"bytes */{have}" and size in (None, have):
                return
            _forget(part)
            raise _Failed("the server has no such range")
        _check_status(answer, url)
        start, total = _extent(answer)
        if answer.status_code == 206 and (start != have or _changed(answer, validator)):
            _forget(part)
            raise _Failed("the server answered with another range or version")
        if size is not None and total is not None and total != size:
            raise PipelineError(
                f"{size:,} bytes at {url}",
                f"{total:,}",
                "it is another file than the one in the catalogue: report this, or look whether a "
                "proxy answered in its place",
            )
        if not start:  # also where a range was asked for, and the file has changed since
            _remember(part, answer)
        _receive(answer, part, start, bar)
    whole = size if total is None else total
    if whole is not None and _size(part) < whole:
        raise _Failed(f"the transfer ended after {_size(part):,} of {whole:,} bytes")


def _receive(answer: httpx.Response, part: Path, start: int, bar: tqdm) -> None:
    bar.n = start
    bar.refresh()
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        for piece in answer.iter_raw():  # as they come: what is held back would be lost
            file.write(piece)
            bar.update(len(piece))


def _check_status(answer: httpx.Response, url: str) -> None:
    if answer.status_code in PASSING:
        after = answer.headers.get("Retry-After", "")
        wait = float(after) if after.isdecimal() else 0.0
        raise _Failed(f"{answer.status_code} {answer.reason_phrase}", wait)
    if answer.status_code not in (200, 206):
        raise PipelineError(
            f"a file at {url}",
            f"{answer.status_code} {answer.reason_phrase}",
            "look at the dataset's homepage whether it moved, and report this",
        )


def _extent(answer: httpx.Response) -> tuple[int, int | None]:
    """Offset of the answer's first byte (-1: unknown), and the whole file's length."""
    if answer.status_code == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        return -1, None
    return int(first), int(total) if total.isdecimal() else None


def _changed(answer: httpx.Response, validator: str) -> bool:
    """Whether a partial answer is of another version, from a server that ignores If-Range."""
    seen = {answer.headers.get("ETag"), answer.headers.get("Last-Modified")} - {None}
    return bool(seen) and validator not in seen


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(part: Path) -> str:
    """Validator of the version that a part belongs to; empty: unknown, the part is useless."""
    file = _validator_file(part)
    if not (part.is_file() and file.is_file()):
        return ""
    try:
        return str(json.loads(file.read_text())["validator"])
    except (ValueError, KeyError, TypeError):
        return ""  # cut short as it was written


def _remember(part: Path, answer: httpx.Response) -> None:
    etag = answer.headers.get("ETag", "")
    # A weak ETag stands for versions that mean the same, not for the same bytes.
    validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
    _forget(part)
    if validator:
        _validator_file(part).write_text(json.dumps({"validator": validator}))


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
