"""Every CUDA test and every benchmark on a GPU, in parts that are recorded as they end.

A part is a process of its own with a time limit. What is on record for this device and this code
is not run again, so that a call that ran out of time is continued by the next one. A part that
failed is run again, after those that have not been run.

A machine with a GPU may have no network and lack packages of the lock file. The interpreter need
not be that of `.venv`: `make gpu GPU_PYTHON=python3` takes one whose torch knows the device, and
the first lines say which packages it lacks. On a machine with a network and the same Python,

    pip download --no-deps --only-binary=:all: --dest wheels NAME==VERSION …

fetches them as the lock file pins them (not torch itself, which brings CUDA with it); there,

    python3 -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site make gpu GPU_PYTHON=python3

uses them. The folder of results is all that has to be brought back.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "notebooks" / "results" / "gpu"
TESTS = "tests"
LIMIT = 150.0
"""Seconds that a part has the first time; one that ran out of them has all that a call has left."""
LEAST = 20.0
"""Seconds under which no part is begun."""
DONE, FAILED, LATE = "done", "failed", "out of time"


@dataclass(frozen=True)
class Device:
    """Where figures come from, and for which code they hold.

    Attributes:
        name: of the GPU.
        torch: version, with that of CUDA.
        commit: of the code, None outside a git checkout.
        code: digest of all Python files; what is on record for another is run again.
    """

    name: str
    torch: str
    commit: str | None
    code: str


@dataclass(frozen=True)
class Part:
    """Part of the work: one process.

    Attributes:
        name: of its record.
        command: its arguments; `{folder}` is replaced by a folder for what it writes.
    """

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a part.

    Attributes:
        status: `DONE`, `FAILED` or `LATE`.
        summary: one line.
        text: markdown: a benchmark's tables, or the end of what was printed.
        values: a benchmark's report.
    """

    status: str
    summary: str
    text: str = ""
    values: dict[str, Any] = field(default_factory=dict)


Runner = Callable[[Part, float], Outcome]


def probe() -> Device | None:
    """The CUDA device of this machine; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    return Device(
        torch.cuda.get_device_name(),
        f"{torch.__version__}, CUDA {torch.version.cuda}",
        _commit(),
        _digest(ROOT),
    )


def missing_packages() -> list[str]:
    """Packages that the lock file pins and this interpreter lacks, as `name==version`."""
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.M)
    return [f"{name}=={pin}" for name, pin in pins if not _installed(name)]


def parts(benchmarks: Iterable[str]) -> list[Part]:
    """The tests that need CUDA, then each benchmark."""
    files = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "mark.cuda" in path.read_text()
    ]
    pytest = ("-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", *files)
    return [
        Part(TESTS, (*pytest, "--junitxml", "{folder}/tests.xml")),
        *(
            Part(name, ("-m", "workbench", "bench", name, "--device", "cuda", "--out", "{folder}"))
            for name in benchmarks
        ),
    ]


def run_part(part: Part, limit: float) -> Outcome:
    """Run a part's process here, for at most so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *(each.replace("{folder}", folder) for each in part.command)]
        try:
            ended = subprocess.run(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            said = error.stdout.decode(errors="replace") if error.stdout else ""
            return Outcome(LATE, f"not over after {limit:.0f} s", _quoted(said))
        written = Path(folder)
        if part.name == TESTS:
            return _tests(written / "tests.xml", ended.returncode, ended.stdout)
        if ended.returncode:
            return Outcome(FAILED, f"exit status {ended.returncode}", _quoted(ended.stdout))
        (report,) = written.rglob(f"{part.name}.json")
        values = json.loads(report.read_text())
        missed = [each["name"] for each in values.get("targets", ()) if each["met"] is False]
        summary = f"targets missed: {'; '.join(missed)}" if missed else "no target missed"
        return Outcome(DONE, summary, report.with_suffix(".md").read_text(), values)


def use_gpu(
    out: Path,
    device: Device,
    wanted: Sequence[Part],
    *,
    seconds: float,
    run: Runner | None = None,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = print,
) -> dict[str, str]:
    """Run what is not on record, as far as the time goes, and write the records.

    Args:
        out: folder of records: `<part>.json`, `<part>.md`, and `README.md` that lists them.
        device: this machine's.
        wanted: all parts.
        seconds: for the whole call.
        run: runs a part; default: `run_part`.
        clock: seconds.
        say: takes a line for the user.

    Returns:
        Status by part, of those on record for this device and code.
    """
    out.mkdir(parents=True, exist_ok=True)
    end = clock() + seconds
    found = _statuses(out, device)
    todo = [part for part in wanted if found.get(part.name) != DONE]
    for part in sorted(todo, key=lambda part: part.name in found):  # the sort is stable
        left = end - clock()
        if left < LEAST:
            break
        begun = clock()
        outcome = (run or run_part)(
            part, left if found.get(part.name) == LATE else min(LIMIT, left)
        )
        _record(out, device, part, outcome, clock() - begun)
        say(f"{part.name}: {outcome.status}, {outcome.summary}")
    (out / "README.md").write_text(_index(out), encoding="utf-8")
    return _statuses(out, device)


def _record(out: Path, device: Device, part: Part, outcome: Outcome, seconds: float) -> None:
    values = {
        "part": part.name,
        "device": asdict(device),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "status": outcome.status,
        "summary": outcome.summary,
        "report": outcome.values,
    }
    origin = (
        f"{device.name}, torch {device.torch}, commit {(device.commit or 'unknown')[:10]}, "
        f"{values['at']}: {outcome.status}, {outcome.summary}."
    )
    (out / f"{part.name}.md").write_text(f"{origin}\n\n{outcome.text}", encoding="utf-8")
    # The JSON last: a part is on record when it is there.
    text = json.dumps(values, indent=1, ensure_ascii=False)
    (out / f"{part.name}.json").write_text(text + "\n", encoding="utf-8")


def _records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]


def _statuses(out: Path, device: Device) -> dict[str, str]:
    return {
        each["part"]: each["status"]
        for each in _records(out)
        if each["device"]["name"] == device.name and each["device"]["code"] == device.code
    }


def _index(out: Path) -> str:
    rows = [
        f"| [{each['part']}]({each['part']}.md) | {each['status']} | {each['summary']} "
        f"| {each['device']['name']} | {each['device']['torch']} "
        f"| {(each['device']['commit'] or 'unknown')[:10]} | {each['seconds']:.0f} s |"
        for each in _records(out)
    ]
    header = "| part | status | | device | torch | commit | took |\n|---|---|---|---|---|---|---:|"
    return (
        "# CUDA tests and benchmarks on a GPU\n\n"
        "Written by `make gpu`, which goes on where it stopped.\n\n" + "\n".join([header, *rows])
    ) + "\n"


def _tests(junit: Path, status: int, said: str) -> Outcome:
    """All that were collected passed, and there were some: a skipped CUDA test shows nothing."""
    if not junit.exists():
        return Outcome(FAILED, f"pytest ended with status {status}", _quoted(said))
    suite = next(ElementTree.parse(junit).iter("testsuite"))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = {name: count for name, count in counts.items() if name != "tests" and count}
    summary = ", ".join(f"{count} {name}" for name, count in counts.items())
    passed = status == 0 and counts["tests"] > 0 and not bad
    return Outcome(DONE if passed else FAILED, summary, _quoted(said), dict(counts))


def _quoted(said: str) -> str:
    return f"```\n{said[-8000:].strip()}\n```\n"


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in ("pipelines", "tests", "workbench"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip()
