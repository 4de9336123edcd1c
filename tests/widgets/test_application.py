"""The app: what it finds, which tabs a run has, and that it serves them without a network."""

import math
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
    assert [(each.name, each.kind) for each in library.entries()] == [
        ("fresh", "run"), ("first", "run"), ("scenes.zarr", "store"),
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
    with pytest.raises(WorkbenchError, match="a run, a geometry or a store in"):
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


HOSTILE = "<img src=x onerror=alert(1)>"


def row(page: Page, name: str) -> dict[str, object]:
    return page.table.widget.value.set_index("name").loc[name].to_dict()


def test_broken_runs_are_named_with_their_reasons_and_hide_no_other(folder: Path) -> None:
    for number in range(3):
        broken = shutil.copytree(folder / "runs" / "first", folder / "runs" / f"b{number}")
        if number == 0:
            (broken / "config.json").write_text("{")
        elif number == 1:
            with (broken / "events.jsonl").open("ab") as file:
                file.write(b"\x00\n")
        else:
            (broken / "provenance.json").write_text("[]")
    (folder / "runs" / "b2").rename(folder / "runs" / HOSTILE)
    page = page_of(folder)
    table, text = page.table, page.table._broken.text
    assert page.state.run in ("first", "fresh"), "what can be read is shown"
    for name, why in (("b0", "config.json"), ("b1", "damaged line"), (HOSTILE, "provenance.json")):
        assert row(page, name)["state"] == "damaged"
        assert why in str(row(page, name)["note"])
        assert why in table.problem(name)
    assert "3 runs cannot be read" in text
    assert "b1" in text
    assert "<img" not in text
    assert [row(page, name)["state"] for name in ("first", "fresh")] == ["finished", "live"]
    page.state.runs = ["b1"]
    assert page.message.visible
    assert "damaged line" in page.message.object
    page.refresh()
    assert "3 runs" in table._broken.text


def test_a_run_that_is_deleted_while_it_is_shown_is_said(folder: Path) -> None:
    page = page_of(folder)
    page.state.runs = ["first"]
    shutil.rmtree(folder / "runs" / "first")
    page.refresh()
    assert "cannot be read any more" in page.message.object
    assert "first" not in page.table.widget.value["name"].tolist()


def test_columns_are_chosen_and_the_table_is_saved(folder: Path) -> None:
    fresh = Run.open(folder / "runs" / "more" / "fresh")
    fresh.log(1, **{"loss": 2.0, HOSTILE: 0.5})
    page = page_of(folder)
    table = page.table
    assert {"config: store", "last: loss", f"last: {HOSTILE}"} <= set(
        table.chooser.options.values()
    )
    assert not any("<" in label for label in table.chooser.options), "labels are HTML"
    table.chooser.value = ["state", "config: store", f"last: {HOSTILE}"]
    assert list(table.widget.value) == ["mark", "name", *table.chooser.value]
    assert row(page, "fresh")[f"last: {HOSTILE}"] == 0.5
    assert row(page, "fresh")["config: store"] == "stores/scenes.zarr"
    assert "<" not in table.widget.titles[f"last: {HOSTILE}"]
    saved = table._csv().getvalue().splitlines()
    assert saved[0] == f"name,state,config: store,last: {HOSTILE}"
    assert "fresh,live,stores/scenes.zarr,0.5" in saved


def test_runs_keep_their_places_and_only_changed_cells_are_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Run.open(folder / "runs" / "more" / "fresh")
    fresh.append("plan", 0, steps=8, steps_per_pass=2, samples=4)
    page = page_of(folder)
    table, sent = page.table, []
    before = table.widget.value["name"].tolist()
    os.utime(folder / "runs" / "first" / "events.jsonl")  # as if it had been written last
    fresh.log(2, loss=2.0)
    patch = table.widget.patch
    monkeypatch.setattr(table.widget, "patch", lambda p, **kw: (sent.append(p), patch(p, **kw)))
    table.refresh()
    assert table.widget.value["name"].tolist() == before
    place = before.index("fresh")
    assert (place, 0.25) in sent[0]["progress"]
    assert (place, 2.0) in sent[0]["last"]
    assert "state" not in sent[0]
    fresh.append("finished", 2)
    table.refresh()
    assert row(page, "fresh")["state"] == "finished"
    assert math.isnan(float(str(row(page, "fresh")["left"])))
    Run.create(folder / "runs" / "newest", {})
    table.refresh()
    assert table.widget.value["name"].tolist() == ["newest", *before]


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
        (["--app", "nowhere"], "a run, a geometry, a store or a folder of these at nowhere"),
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
