"""`make peers`: peers' own tests, run against the functions of this library.

The packages come from the package index into build/peers, beside the environment. A suite runs in
a process of its own, with an adapter that puts our functions in the place of the peer's. Tests
that no call of ours was made in are not counted. One that fails is run once more without the
adapter. The table is printed, and written to notebooks/results/peers.md.
"""

import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "peers"
SITE = FOLDER / "site"
RECORD = ROOT / "notebooks" / "results" / "peers.md"
WHEELS = (
    "spd_learn==0.2.1", "pyriemann==0.12", "einops==0.8.2", "expecttest==0.3.0",
    "array-api-compat==1.16.0", "array-api-extra==0.11.5",
)  # fmt: skip
SDISTS = ("spd_learn==0.2.1",)
NO_TESTS = {
    "ncut_pytorch": "the sdists on PyPI (3.2.0, 3.1.4, 3.0.15) hold no tests",
    "pyriemann": "the sdist (0.12) has the tests, and not the conftest.py with their fixtures",
}


@dataclass(frozen=True)
class Suite:
    """Tests of a peer.

    Attributes:
        name: what the table says.
        package: whose version is recorded.
        adapter: module in `adapters`.
        tests: arguments of pytest.
    """

    name: str
    package: str
    adapter: str
    tests: tuple[str, ...]


def shipped(*modules: str) -> tuple[str, ...]:
    return ("--pyargs", *modules)


SUITES = (
    Suite(
        "spd_learn: matrix functions, layers, metrics, models",
        "spd_learn",
        "spd_learn",
        (str(FOLDER / "spd_learn-0.2.1" / "tests"),),
    ),
    Suite(
        "scikit-learn: spectral embedding, spectral clustering",
        "scikit-learn",
        "sklearn_clustering",
        shipped(
            "sklearn.manifold.tests.test_spectral_embedding",
            "sklearn.cluster.tests.test_spectral",
        ),
    ),
    Suite(
        "scikit-learn: contingency tables, Rand index",
        "scikit-learn",
        "sklearn_metrics",
        shipped(
            "sklearn.metrics.cluster.tests.test_supervised",
            "sklearn.metrics.cluster.tests.test_common",
        ),
    ),
    Suite(
        "scipy: svd, eigh, pinv, expm, logm, sqrtm",
        "scipy",
        "scipy_linalg",
        shipped(
            "scipy.linalg.tests.test_decomp",
            "scipy.linalg.tests.test_basic",
            "scipy.linalg.tests.test_matfuncs",
        ),
    ),
    Suite(
        "scipy: normalized Laplacian",
        "scipy",
        "scipy_laplacian",
        shipped("scipy.sparse.csgraph.tests.test_graph_laplacian"),
    ),
)  # fmt: skip


@dataclass
class Row:
    """Line of the table: how many tests were applied and held, what did not, and why.

    Files of tests that cannot be imported are in `unread`.
    """

    name: str
    applied: int = 0
    held: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, outcomes: dict[str, dict]) -> "Row":
        """Row of the tests that came through a function of ours, skipped ones left out."""
        through = {
            test: found
            for test, found in outcomes.items()
            if found.get("applied") and found.get("outcome") in ("passed", "failed")
        }
        failed = {t: f["why"] for t, f in through.items() if f["outcome"] == "failed"}
        unread = {t: f["why"] for t, f in outcomes.items() if f.get("outcome") == "not read"}
        return cls(name, len(through), len(through) - len(failed), failed, unread)


def fetch() -> None:
    """Packages and sdists, where they are not there yet."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    if not SITE.is_dir():
        subprocess.run([*pip, "install", "--no-deps", "--target", str(SITE), *WHEELS], check=True)
    for sdist in SDISTS:
        name = sdist.replace("==", "-")
        if not (FOLDER / name).is_dir():
            source = ["--no-deps", "--no-binary", ":all:", "--dest", str(FOLDER)]
            subprocess.run([*pip, "download", *source, sdist], check=True)
            with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
                archive.extractall(FOLDER, filter="data")


def python(*arguments: str, report: Path) -> None:
    """Python with the peers' packages behind the environment's own, one thread."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SITE)]),
        "PEERS_REPORT": str(report),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    log = report.with_suffix(".log")
    with log.open("w") as output:
        subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output,
            check=False,
        )  # fmt: skip
    if not report.is_file():
        raise SystemExit(f"a suite ended without a report; its output is in {log}")


def run(suite: Suite) -> Row:
    """Outcome of a suite; tests that fail unchanged too say so."""
    found = collect(suite, suite.tests, adapted=True)
    row = Row.of(suite.name, found)
    if row.failed:
        chosen = " or ".join(sorted({t.rpartition("::")[2].partition("[")[0] for t in row.failed}))
        plain = collect(suite, (*suite.tests, "-k", chosen), adapted=False)
        for test in row.failed:
            if plain.get(test, {}).get("outcome") == "failed":
                row.failed[test] = "fails without the adapter too: " + row.failed[test]
    return row


def collect(suite: Suite, tests: tuple[str, ...], *, adapted: bool) -> dict[str, dict]:
    """Outcomes by test."""
    report = FOLDER / f"{suite.adapter}{'' if adapted else '-plain'}.json"
    report.unlink(missing_ok=True)
    plugins = ["-p", "tests.peers.counting"]
    if adapted:
        plugins += ["-p", f"tests.peers.adapters.{suite.adapter}"]
    options = ["-q", "-c", os.devnull, "--rootdir", str(FOLDER), "-p", "no:cacheprovider"]
    options += ["--continue-on-collection-errors"]
    python("-m", "pytest", *options, *plugins, *tests, report=report)
    outcomes: dict[str, dict] = json.loads(report.read_text())
    return outcomes


def torch_rows() -> Iterator[Row]:
    """Rows of PyTorch's samples."""
    report = FOLDER / "torch.json"
    report.unlink(missing_ok=True)
    python("-m", "tests.peers.torch_samples", str(report), report=report)
    for suite, outcomes in json.loads(report.read_text()).items():
        yield Row.of(f"PyTorch's OpInfo samples: {suite}", outcomes)


ZEROS = "asks for exact zeros, where the matrix rebuilt from our eigenvectors has 2e-16"
REASONS = {
    "LogmNearlySingularWarning": "our warning of it is an IllConditionedWarning",
    "LogmExactlySingularWarning": "our warning of it is an IllConditionedWarning",
    "'mock' to have been called": "asks which of the peer's own solvers was called",
    "semidefinite matrix, found": "an indefinite matrix, whose logarithm or root ours refuses",
    "test_config_affects_operations": "asks for the effect of the peer's own settings",
    "test_symmetric_graph_laplacian": ZEROS,
    "test_sparse_formats": ZEROS,
    "pyamg": "asks for an error where pyamg is missing, which ours does not need",
    "amg_solvers": "asks for an error where pyamg is missing, which ours does not need",
    "test_affinities": "asks for the peer's warning of a graph in several parts",
}
"""Words of a test's name or error by which it is known, and why it does not carry over."""


def judged(test: str, reason: str) -> str:
    """Reason with what is known about it."""
    known = [why for words, why in REASONS.items() if words in test + reason]
    return f"{known[0]} ({reason})" if known else reason


def page(rows: list[Row]) -> str:
    """Table, what did not hold, and where it was run."""
    lines = [
        "# Peers' own tests against this library",
        "",
        "Command: `make peers` (tests/peers). Applied: tests in which our functions were called.",
        "",
        "| suite | applied | held | not |",
        "|---|---:|---:|---:|",
        *(f"| {r.name} | {r.applied} | {r.held} | {len(r.failed)} |" for r in rows),
        *(f"| {name} | 0 | 0 | {why} |" for name, why in NO_TESTS.items()),
        "",
    ]
    lines += ["## What did not hold, and why", ""]
    for row in rows:
        for said, tests in (("", row.failed), ("not read: ", row.unread)):
            for test, why in tests.items():
                reason = " ".join(why.split()).replace(str(ROOT), "").replace("`", "'")[:220]
                name = test.rpartition("/")[2].removeprefix("::")
                lines.append(f"- {row.name}: {said}`{name}`: {judged(name, reason)}")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    names = ["torch", *dict.fromkeys(suite.package for suite in SUITES)]
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    lines += [
        "",
        f"Machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, one thread; "
        f"Python {platform.python_version()}; {versions}; commit {commit}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run every suite; `make peers` fails only where a suite cannot be run."""
    sys.path.append(str(SITE))
    FOLDER.mkdir(parents=True, exist_ok=True)
    fetch()
    rows = [*torch_rows(), *(run(suite) for suite in SUITES)]
    RECORD.write_text(page(rows))
    print(page(rows))  # noqa: T201 - what was asked for
    return 0


if __name__ == "__main__":
    sys.exit(main())
