"""`workbench tune` and `workbench table1` from the command line: what is asked and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import tune as command
from workbench.cli.main import main
from workbench.experiments.regions.tuning import Search, run_search


def workbench(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in arguments])
    return int(stopped.value.code or 0)


def test_a_search_ends_with_the_command_that_uses_it(
    sample_regions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked: list[Search] = []

    def tiny(search: Search) -> dict[str, Any]:
        """The column's backbone would take minutes."""
        asked.append(search)
        shape = {"backbone": "tiny", "tap": "relu3", "classes": search.config.architecture.classes}
        small = type(search.config.architecture)(**shape)
        config = type(search.config)(**{**vars(search.config), "architecture": small})
        return run_search(type(search)(**{**vars(search), "config": config}))

    monkeypatch.setattr(command, "run_search", tiny)
    out = tmp_path / "search"
    ask = ("tune", "deep-o2p-s", "--store", sample_regions, "--out", out, "--passes", 1,
           "--trials", 1, "--limit", 40, "--weight-decay", 1e-5, 1e-2)  # fmt: skip
    assert workbench(*ask) == 0
    said = capsys.readouterr().out
    assert "0 ← chosen" in said
    assert f"workbench train deep-o2p-s --store {sample_regions}" in said
    assert "--passes 1 --learning-rate 0.01 --weight-decay 0.0005" in said
    assert asked[0].config.weights is None
    assert asked[0].config.architecture.classes == 14
    assert {each.name: (each.low, each.high) for each in asked[0].ranges} == {
        "learning_rate": (0.01 / 30, 0.3),
        "weight_decay": (1e-5, 1e-2),
    }
    names = {path.name for path in out.iterdir()}
    assert {"tuning.json", "tuning.md", "tuning.html", "tuning-learning-rate.png"} <= names
    assert json.loads((out / "tuning.json").read_text())["best"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tune", "sift-o2p", "--store", "s", "--out", "o"), "sift-o2p"),
        (("tune", "deep-o2p-s", "--store", "nowhere.zarr", "--out", "o"), "nowhere.zarr"),
        (("table1", "--out", "o", "--store", "nowhere.zarr"), "nowhere.zarr"),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert workbench(*arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_columns_are_listed_with_what_they_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert workbench("table1", "--list", "--frozen") == 0
    said = capsys.readouterr().out
    assert "36.4" in said
    assert "deep-o2p-vgg16" in said
    assert "deep-o2p-s " not in said  # from scratch: nothing to freeze
