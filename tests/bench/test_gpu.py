"""Runs, skips and records of `make gpu`; stand-ins for the device and for the processes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from workbench.bench import gpu
from workbench.bench.gpu import DONE, FAILED, LATE, Device, Outcome, Part, run_part, use_gpu
from workbench.cli import main

DEVICE = Device("a card", "2.13, CUDA 13", "c0ffee" * 7, "digest")
PARTS = [Part(name, ()) for name in ("tests", "layers", "ncuts")]


class Processes:
    """Says what was run for how long, and moves the clock by what each part takes."""

    def __init__(self, takes: float = 100.0, **outcomes: Outcome) -> None:
        self.takes, self.outcomes = takes, outcomes
        self.ran: list[tuple[str, float]] = []
        self.now = 0.0

    def __call__(self, part: Part, limit: float) -> Outcome:
        self.ran.append((part.name, limit))
        self.now += min(self.takes, limit)
        late = Outcome(LATE, "not over")
        return late if self.takes > limit else self.outcomes.get(part.name, Outcome(DONE, "well"))

    def use(self, out: Path, seconds: float = 540.0, device: Device = DEVICE) -> dict[str, str]:
        return use_gpu(
            out,
            device,
            PARTS,
            seconds=seconds,
            run=self,
            clock=lambda: self.now,
            say=lambda _: None,
        )

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.ran]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_one_sentence_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as status:
        main(["bench", "gpu", "--out", str(tmp_path / "out")])
    assert status.value.code == 2
    assert "expected a CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_records_have_device_and_commit_and_are_listed(tmp_path: Path) -> None:
    well = Outcome(DONE, "no target missed", "| a table |\n", {"rows": [1]})
    assert set(Processes(layers=well).use(tmp_path).values()) == {DONE}
    record = json.loads((tmp_path / "layers.json").read_text())
    assert record["device"] == {
        "name": "a card", "torch": "2.13, CUDA 13", "commit": "c0ffee" * 7, "code": "digest",
    }  # fmt: skip
    assert record["report"] == {"rows": [1]}
    page = (tmp_path / "layers.md").read_text()
    for words in ("a card", "c0ffeec0ff", "| a table |"):
        assert words in page
    index = (tmp_path / "README.md").read_text()
    assert all(f"[{part.name}]({part.name}.md)" in index for part in PARTS)


def test_a_call_that_ran_out_of_time_is_continued(tmp_path: Path) -> None:
    first = Processes()
    assert first.use(tmp_path, seconds=210.0) == {"tests": DONE, "layers": DONE}
    assert first.names == ["tests", "layers"]  # ten seconds are left, too few for another
    second = Processes()
    assert set(second.use(tmp_path)) == {"tests", "layers", "ncuts"}
    assert second.names == ["ncuts"]
    third = Processes()
    third.use(tmp_path)
    assert third.names == []


def test_a_late_part_has_more_time_after_the_others(tmp_path: Path) -> None:
    first = Processes(takes=200.0)
    assert first.use(tmp_path, seconds=160.0) == {"tests": LATE}
    second = Processes(takes=200.0)
    second.use(tmp_path, seconds=gpu.LIMIT * 2 + 205)
    assert second.ran[:2] == [("layers", gpu.LIMIT), ("ncuts", gpu.LIMIT)]
    assert second.ran[2] == ("tests", 205.0)


def test_what_failed_is_run_again(tmp_path: Path) -> None:
    assert Processes(layers=Outcome(FAILED, "1 failures")).use(tmp_path)["layers"] == FAILED
    again = Processes()
    assert again.use(tmp_path)["layers"] == DONE
    assert again.names == ["layers"]


@pytest.mark.parametrize("changes", [{"name": "another card"}, {"code": "another digest"}])
def test_another_device_or_other_code_is_measured_anew(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    Processes().use(tmp_path)
    other = Processes()
    other.use(tmp_path, device=replace(DEVICE, **changes))
    assert other.names == ["tests", "layers", "ncuts"]
    documented = Processes()
    documented.use(tmp_path, device=replace(DEVICE, **changes, commit=None))
    assert documented.names == []


def test_every_benchmark_with_a_device_and_every_file_with_cuda_tests_are_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = Processes(ncuts=Outcome(FAILED, "exit status 1"))
    seen: list[Part] = []

    def run(part: Part, limit: float) -> Outcome:
        seen.append(part)
        return processes(part, limit)

    monkeypatch.setattr(gpu, "probe", lambda: DEVICE)
    monkeypatch.setattr(gpu, "run_part", run)
    with pytest.raises(SystemExit) as status:
        main(["bench", "gpu", "--out", str(tmp_path)])
    assert status.value.code == 1
    assert "ncuts: failed, exit status 1" in capsys.readouterr().out
    assert {"tests", "layers", "ncuts", "clustering", "o2p"} <= {part.name for part in seen}
    assert not {"live", "pipeline", "gpu"} & {part.name for part in seen}
    command = seen[0].command
    for file in ("conformance/test_conformance.py", "data/test_loader.py", "data/test_augment.py"):
        assert f"tests/{file}" in command
    assert "--device" in seen[1].command


def test_a_part_is_a_process_with_a_limit(tmp_path: Path) -> None:
    """Skipped tests are no pass, and what was printed is kept."""
    (tmp_path / "test_skipped.py").write_text("import pytest\ndef test_it(): pytest.skip('none')\n")
    pytest_on = ("-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null")
    skipped = run_part(
        Part("tests", (*pytest_on, str(tmp_path), "--junitxml", "{folder}/tests.xml")), 100.0
    )
    assert skipped.status == FAILED
    assert "1 skipped" in skipped.summary
    failed = run_part(Part("layers", ("-c", "import sys; sys.exit('no memory')")), 100.0)
    assert (failed.status, failed.summary) == (FAILED, "exit status 1")
    assert "no memory" in failed.text
    writes = "import json, sys; d = {'targets': [{'name': 'fast', 'met': False}]};" + (
        "open(sys.argv[1] + '/o2p.json', 'w').write(json.dumps(d));"
        "open(sys.argv[1] + '/o2p.md', 'w').write('a table')"
    )
    done = run_part(Part("o2p", ("-c", writes, "{folder}")), 100.0)
    assert (done.status, done.summary, done.text) == (DONE, "targets missed: fast", "a table")
    late = run_part(Part("ncuts", ("-c", "import time; time.sleep(100)")), 0.5)
    assert late.status == LATE


def test_packages_that_are_missing_are_named_with_their_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert gpu.missing_packages() == []
    monkeypatch.setattr(gpu, "_installed", lambda name: name != "zarr")
    (missing,) = gpu.missing_packages()
    assert missing.startswith("zarr==")


def test_nothing_heavy_is_needed_to_say_what_is_missing() -> None:
    """On a bare machine the first call does not fail at an import."""
    script = (
        "import sys; import workbench.cli.bench, workbench.bench.gpu;"
        "heavy = {'zarr', 'dask', 'pandas', 'holoviews', 'lightning_fabric', 'msgspec', 'xarray'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
