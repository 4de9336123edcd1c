"""The app: what it finds, which tabs a run has, and that it serves them without a network."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx
import pytest

from workbench.cli.lab import lab
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.runs.finding import find_runs, resolved_path
from workbench.views.report import write_report
from workbench.widgets.page.application import Page, serve
from workbench.widgets.page.library import Library
from workbench.widgets.workspace import State


@pytest.fixture
def folder(trained_run: Run, sample_store: Path, tmp_path: Path) -> Path:
    """A project: runs/first with snapshots, runs/more/fresh without, and a store."""
    runs = tmp_path / "project" / "runs"
    shutil.copytree(trained_run.path, runs / "first")
    Run.create(runs / "more" / "fresh", {"store": "stores/scenes.zarr"})
    (tmp_path / "project" / "stores").mkdir()
    (tmp_path / "project" / "stores" / "scenes.zarr").symlink_to(sample_store)
    return tmp_path / "project"


def titles(page: Page) -> list[str]:
    return [tab.title for tab in page._shown]


def page_of(folder: Path) -> Page:
    return Page(Library([folder / "runs", folder / "stores"]))


def test_runs_are_found_with_how_they_stand(folder: Path) -> None:
    os.utime(folder / "runs" / "first" / "events.jsonl", (1, 1))
    found = find_runs(folder)
    assert [run.name for run in found] == ["fresh", "first"]
    library = Library([folder / "runs", folder / "stores"])
    assert [(each.name, each.store) for each in library.entries()] == [
        ("fresh", False), ("first", False), ("scenes.zarr", True),
    ]  # fmt: skip
    table = page_of(folder).table.widget.value.set_index("name")
    assert table.loc["fresh", ["state", "step", "age"]].tolist() == ["live", 0, 0]
    assert table.loc["first", ["state", "step", "metric", "best"]].tolist() == [
        "finished", 4, "covering_best", 0.5,
    ]  # fmt: skip
    assert table.loc["scenes.zarr", "state"] == "store"
    shutil.copytree(folder / "runs" / "first", folder / "runs" / "more" / "first")
    assert {entry.name for entry in library.entries()} == {
        "fresh", "runs/first", "more/first", "scenes.zarr",
    }  # fmt: skip


def test_a_damaged_run_hides_no_other(folder: Path) -> None:
    (folder / "runs" / "first" / "config.json").write_text("{")
    library = Library([folder / "runs"])
    assert len(library.entries()) == 2
    page = page_of(folder)
    page.state.runs = ["first"]
    assert titles(page) == []
    assert page.message.visible
    page.state.runs = ["scenes.zarr"]
    assert titles(page) == ["Dataset"]
    assert not page.message.visible


def test_nothing_to_look_at_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a run or a store in"):
        Library([tmp_path])
    with pytest.raises(WorkbenchError, match="nothing there"):
        Library([tmp_path / "nowhere"])


def test_what_a_configuration_names_is_found_beside_the_run(folder: Path) -> None:
    run = Run.open(folder / "runs" / "more" / "fresh")
    assert resolved_path(run, "stores/scenes.zarr") == folder / "stores" / "scenes.zarr"
    assert resolved_path(run, "stores/none.zarr") == Path("stores/none.zarr")
    assert resolved_path(run, "s3://bucket/scenes.zarr") == "s3://bucket/scenes.zarr"


def test_a_run_has_the_tabs_that_it_has_something_for(folder: Path) -> None:
    shutil.copytree(folder / "runs" / "first", folder / "runs" / "second")
    page = page_of(folder)
    page.state.runs = ["first"]
    assert titles(page) == ["Workspace", "Curves"]
    assert list(page.explorers) == ["Workspace"], "the others are made when they are opened"
    page.tabs.value = "Curves"
    assert list(page.explorers) == ["Workspace", "Curves"]
    page.state.runs = ["fresh"]
    assert titles(page) == ["Dataset"]
    page.state.runs = ["first", "fresh"]
    assert "No snapshots" in page.explorers["Workspace"].message, "they have no scene in common"
    page.state.runs = ["first", "second"]
    assert len(page.explorers["Workspace"].views) == 2
    page.tabs.value = "Curves"
    page.state.runs = ["first"]
    assert page._title == "Curves"
    page.layout().get_root()


def test_a_run_that_goes_on_gets_its_tabs_and_keeps_what_is_open(
    folder: Path, snapshot: Snapshot
) -> None:
    page = page_of(folder)
    fresh = Run.open(folder / "runs" / "more" / "fresh")
    page.state.runs = ["fresh"]
    fresh.log(1, loss=2.0)
    page.refresh()
    assert titles(page) == ["Curves", "Dataset"]
    assert page._title == "Dataset", "what was open stays open"
    page.tabs.value = "Curves"
    curves = page.explorers["Curves"]
    fresh.snapshot(1, "watched", snapshot.to_arrays())
    fresh.log(2, loss=1.0)
    page.refresh()
    assert titles(page) == [
        "Workspace",
        "Curves",
        "Dataset",
    ]
    assert page.explorers["Curves"] is curves
    assert page._title == "Curves"
    assert curves._measured[0].values("loss").tolist() == [2.0, 1.0]
    table = page.table.widget.value.set_index("name")
    assert table.loc["fresh", ["state", "step", "last", "age"]].tolist() == ["live", 2, 1.0, 0]
    assert page.state.run == "fresh"


def test_the_table_of_runs_chooses_what_is_shown(folder: Path) -> None:
    page = page_of(folder)
    names = page.table.widget.value["name"].tolist()
    assert sorted(names) == ["first", "fresh", "scenes.zarr"]
    page.table.widget.selection = [names.index("first")]
    assert page.state.runs == ["first"]
    page.table.widget.selection = [names.index("first"), names.index("fresh")]
    assert page.state.runs == ["first", "fresh"]
    page.state.runs = ["scenes.zarr"]
    assert page.table.widget.selection == [names.index("scenes.zarr")]


def test_an_address_of_a_run_that_is_not_there_says_so(folder: Path) -> None:
    page = Page(Library([folder / "runs"]), state=State(runs=["gone"]))
    assert page.message.visible
    assert "a run or store gone" in page.message.object
    assert titles(page), "another is shown"


@pytest.fixture
def app(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `workbench lab`; what is left of it is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        code = "from workbench.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "lab", *map(str, arguments)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """What a process says first; it is killed if it says nothing."""
    assert process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()
        timer.join()


def test_it_serves_the_runs_beside_it_until_ctrl_c(app: Callable[..., subprocess.Popen]) -> None:
    process = app("--app", "--port", 0, "--no-browser")
    address = re.match(r"http://localhost:\d+", first_line(process))
    assert address is not None, process.stderr.read()
    page = httpx.get(address[0], timeout=60)
    assert page.status_code == 200
    assert "<title>workbench</title>" in page.text
    assert set(re.findall(r"https?://([^/\"' ]+)", page.text)) <= {address[0][7:]}, (
        "the page asks for something elsewhere"
    )
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--app", "nowhere"], "a run, a store or a folder of runs at nowhere"),
        (["--export", "page.html"], "--app with --export"),
        (["--app", "runs", "stores", "--export", "page.html"], "one run to export"),
    ],
)
def test_its_errors_are_sentences(
    arguments: list[str], words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(WorkbenchError, match=words):
        lab(arguments, standalone_mode=False)


def test_an_option_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(click.UsageError, match="no option --colour"):
        lab(["--app", "runs", "--colour"], standalone_mode=False)


def test_the_page_without_a_kernel_is_that_of_the_report(folder: Path, tmp_path: Path) -> None:
    run, page = folder / "runs" / "first", tmp_path / "page.html"
    lab(["--app", str(run), "--export", str(page)], standalone_mode=False)
    report = write_report(Run.open(run), tmp_path / "report.html")
    assert page.read_text() == report.read_text()


def test_a_port_that_is_taken_is_a_sentence(folder: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkbenchError, match=f"a free port, {port}"):
            serve(Library([folder / "runs"]), port, browser=False)
