"""The benchmarks at tiny sizes: tables, files and references; nothing here is timed."""

import json
from pathlib import Path

import pytest
import torch

from workbench.bench.layers.exact import gram_gradient, log_gradient, log_slopes
from workbench.bench.layers.run import LayerSizes, bench_layers
from workbench.bench.measure import medians, peak_bytes
from workbench.bench.ncuts.run import CutSizes, bench_ncuts
from workbench.bench.peers import Peer, Peers
from workbench.bench.report import Report

CPU = torch.device("cpu")
TINY_LAYERS = LayerSizes(batch=2, rows=5, features=12, repeats=1, gaps=(1e-1, 0.0))
TINY_CUTS = CutSizes(dense=40, large=((300, 4),), embedded=64, repeats=1)


@pytest.fixture(scope="module")
def layers() -> Report:
    return bench_layers(TINY_LAYERS, CPU)


@pytest.fixture(scope="module")
def ncuts() -> Report:
    return bench_ncuts(TINY_CUTS, CPU)


def test_layers_are_exact_where_their_peers_are_not(layers: Report) -> None:
    ours = [row for row in layers.rows if row.method == "workbench"]
    assert len(ours) == 4
    assert all(row.error is not None and row.error < 1e-6 for row in ours)
    double = layers.curves[0]
    assert max(double.errors["workbench"]) < 1e-13


def test_cuts_agree_with_their_references(ncuts: Report) -> None:
    embedding = next(row for row in ncuts.rows if row.case.startswith("embedding"))
    assert embedding.method == "workbench"
    assert embedding.error < 1e-12
    assert all(target.met for target in ncuts.targets if target.name.startswith("5"))
    assert {row.case.split()[0].strip(",") for row in ncuts.rows} == {"J1", "J2", "embedding"}


@pytest.mark.parametrize("name", ["layers", "ncuts"])
def test_a_report_is_written_with_machine_and_commit(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    report: Report = request.getfixturevalue(name)
    paths = {path.suffix: path for path in report.save(tmp_path / "out")}
    assert set(paths) == {".txt", ".md", ".json"} | ({".png"} if name == "layers" else set())
    values = json.loads(paths[".json"].read_text())
    assert {"commit", "machine", "libraries"} <= set(values["provenance"])
    assert len(values["rows"]) == len(report.rows)
    assert "| target | found |" in paths[".md"].read_text()
    for row in report.rows:
        assert row.case in paths[".txt"].read_text()


def test_a_missing_peer_is_named_with_its_command() -> None:
    peers = Peers()
    assert peers.find(Peer("no_such_module", "no-such-package==1.2")) is None
    (note,) = peers.notes()
    assert "pip install 'no-such-package==1.2'" in note


def test_the_two_references_agree() -> None:
    x = torch.rand(3, 5, dtype=torch.float64)
    upstream = torch.rand(5, 5, dtype=torch.float64)
    by_digits = 2 * x @ log_gradient(x.T @ x + 0.1 * torch.eye(5), upstream)
    torch.testing.assert_close(gram_gradient(x, upstream, 0.1, log_slopes), by_digits)


def test_slow_tasks_run_once_and_quick_ones_in_turn() -> None:
    calls: list[str] = []
    tasks = {name: lambda name=name: calls.append(name) for name in "ab"}
    assert set(medians(tasks, 3)) == {"a", "b"}
    assert calls[:2] == ["a", "b"]  # once each, untimed
    turns = [
        name for name, before in zip(calls[2:], ["", *calls[2:]], strict=False) if name != before
    ]
    assert turns == ["a", "b"] * 3
    calls.clear()
    medians(tasks, 3, patience=0.0)
    assert calls == ["a", "b"]


def test_peak_memory_sees_what_a_task_allocates() -> None:
    def task() -> float:
        return float(torch.ones(2**24, dtype=torch.float64).cumsum(0)[-1])  # 2 × 128 MiB

    assert peak_bytes(task, CPU) > 100 * 2**20
