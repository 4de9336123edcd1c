"""`workbench table2` from the command line, on a classical column that needs no weights."""

import json
from pathlib import Path

import pytest

from workbench.cli.main import main
from workbench.experiments.scenes.columns import COLUMNS


def table2(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["table2", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_a_column_is_run_once_and_assembled_any_time(
    sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table"
    ask = ("--store", sample_store, "--out", out, "--column", "ncuts-contour", "--limit")
    assert table2(*ask, 1) == 0
    said = capsys.readouterr().out
    assert "NCuts, contours of one scale" in said
    assert "Not run yet: ncuts-multiscale" in said
    names = {path.name for path in out.iterdir() if path.is_file()}
    assert {
        "table2.json",
        "table2.md",
        "table2.html",
        "table2.png",
        "figure3.html",
        "figure3.jpg",
    } <= names
    values = json.loads((out / "table2.json").read_text())
    assert [row["key"] for row in values["rows"]] == ["ncuts-contour · flat"]
    (out / "table2.json").unlink()
    assert table2(*ask, 1) == 0
    assert "done before" in capsys.readouterr().out
    assert table2("--out", out, "--assemble") == 0
    assert json.loads((out / "table2.json").read_text())["rows"] == values["rows"]
    assert table2(*ask, 2) == 2
    assert "images 2, was 1" in capsys.readouterr().err


def test_columns_are_listed_with_what_they_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert table2("--list") == 0
    said = capsys.readouterr().out
    for column in COLUMNS.values():
        (line,) = (line for line in said.splitlines() if line.startswith(f"{column.name} "))
        if column.paper is not None:
            assert f"{column.paper.best:.2f} ({column.paper.average:.2f})" in line


def test_a_store_that_is_not_there_is_named_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table2("--out", tmp_path / "table", "--store", "nowhere.zarr") == 2
    assert "nowhere.zarr" in capsys.readouterr().err
    assert not (tmp_path / "table").exists()


def test_help_lists_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert table2("--help") == 0
    assert "deep-ncuts-hypercolumn" in capsys.readouterr().out
