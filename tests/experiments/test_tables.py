"""The table machine on a table that needs neither store nor network, and the records it keeps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import holoviews as hv
import pytest
from click.testing import CliRunner
from markupsafe import Markup

from workbench.cli.tables import table_command
from workbench.errors import WorkbenchError
from workbench.evaluation.cells import chance, difference, interval, number, pair, percent
from workbench.experiments.tables.assemble import assemble, finished, mean
from workbench.experiments.tables.results import TableResult
from workbench.experiments.tables.run import result_path, run_columns
from workbench.experiments.tables.table import (
    FROZEN,
    Finished,
    Table,
    TableColumn,
    TableRequest,
)
from workbench.runs.provenance import provenance
from workbench.views.regions.table1 import table_view as table1_view
from workbench.views.scenes.table2 import table_view as table2_view
from workbench.views.tables import TableView, places, row_chart

RESULTS = Path(__file__).parents[2] / "notebooks" / "results"
FIRST = {"commit": "0123456789abcdef", "dirty": True, "machine": {"device": "an abacus"}}


@dataclass(frozen=True)
class Guess(TableColumn):
    """A method that answers with a number and, trained, adds its seed."""

    answer: float = 0.0
    trained: bool = False  # type: ignore[misc]
    freezable: bool = True  # type: ignore[misc]

    @property
    def command(self) -> str:
        return f"guess {self.family}"

    def frozen_variant(self) -> "Guess":
        if not self.trained or self.varies:
            return self
        return replace(self, name=self.name + FROZEN, title=f"{self.title}, cold", varies=self.name)


@dataclass(frozen=True)
class GuessRequest(TableRequest):
    truth: float = 3.0


@dataclass(frozen=True)
class GuessResult(TableResult):
    error: float

    @property
    def said(self) -> str:
        return f"off by {self.error:g}"


class Guesses(Table[Guess, GuessResult, GuessRequest]):
    """How far guesses are off."""

    name = "guesses"
    items = "questions"
    request = GuessRequest
    result = GuessResult

    def __init__(self) -> None:
        self.columns = {
            each.name: each
            for each in (
                Guess("fixed", "Fixed", 1, answer=2.0),
                Guess("tuned", "Tuned", 5, ("fixed",), answer=2.5, trained=True),
                Guess("random", "Random", 9, trained=True, freezable=False),
            )
        }
        self.asked_for: list[tuple[str, int]] = []
        self.stops_at: tuple[str, int] | None = None

    def question(self, request: GuessRequest) -> dict[str, Any]:
        if not request.store.exists():
            raise WorkbenchError("a store", f"none in {request.store}", "write one")
        return {"truth": request.truth}

    def asked(self, request: GuessRequest, column: Guess, seed: int) -> dict[str, Any]:
        config = {"answer": column.answer, "passes": request.passes}
        cache = request.features_of(column) if column.varies else None
        return {"column": column.name, "seed": seed, "config": config, "cache": cache}

    def evaluate(
        self, request: GuessRequest, column: Guess, seed: int, asked: dict[str, Any]
    ) -> GuessResult:
        self.asked_for.append((column.name, seed))
        if self.stops_at == (column.name, seed):
            raise KeyboardInterrupt
        source = FIRST if seed == 0 else provenance()
        return GuessResult(asked, source, abs(request.truth - column.answer - seed))

    def summarise(
        self, found: Sequence[Finished[Guess, GuessResult]], question: Mapping[str, Any]
    ) -> dict[str, Any]:
        rows = [
            {
                "title": each.column.title,
                "command": each.column.command,
                "seeds": each.seeds,
                "error": mean([result.error for result in each.results]),
                "unknown": mean([None]),
            }
            for each in found
        ]
        return {"truth": question["truth"], "rows": rows}


def view_of(values: Mapping[str, Any], **more: Any) -> TableView:
    errors = [(row["error"], p) for row, p in zip(values["rows"], places(9), strict=False)]
    titles = [row["title"] for row in values["rows"]]
    rows = [["guess", "error"], *([t, number(e)] for t, (e, _) in zip(titles, errors, strict=True))]
    chart = row_chart([hv.Scatter(errors)], titles, "error", 0.1, (24, 100), (6.0, 0.3, 0.5))
    return TableView(
        "guesses", "Guesses", [Markup("How <i>far</i> off.")], values,
        {"Errors": rows, "Nothing": [["a header"]]}, ["Less is better."], chart, **more,
    )  # fmt: skip


@pytest.fixture
def table() -> Guesses:
    return Guesses()


@pytest.fixture
def request_(tmp_path: Path) -> GuessRequest:
    return GuessRequest(tmp_path, tmp_path / "table", seeds=(0, 1))


def test_an_interrupted_table_goes_on_with_what_is_missing(
    table: Guesses, request_: GuessRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = table.columns_named(("tuned", "fixed"))
    assert [column.name for column in columns] == ["fixed", "tuned"]
    table.stops_at = ("tuned", 1)
    with pytest.raises(KeyboardInterrupt):
        run_columns(table, request_, columns)
    kept = result_path(request_.out, "tuned", 0)
    before = kept.read_bytes()
    assert "tuned, seed 0: off by 0.5, " in capsys.readouterr().out
    assert not result_path(request_.out, "tuned", 1).exists()
    table.stops_at = None
    table.asked_for.clear()
    run_columns(table, request_, columns)
    assert table.asked_for == [("tuned", 1)]  # and `fixed` has one seed, whatever is asked
    assert kept.read_bytes() == before
    assert "fixed, seed 0: done before" in capsys.readouterr().out


def test_another_question_is_refused_by_name(table: Guesses, request_: GuessRequest) -> None:
    fixed, tuned, _ = table.columns.values()
    run_columns(table, request_, [fixed, tuned.frozen_variant()])
    with pytest.raises(WorkbenchError, match=r"the table in .* truth 4\.0, was 3\.0; ask the same"):
        run_columns(table, replace(request_, truth=4.0), [fixed])
    words = r"fixed, seed 0.*config\.answer 1, was 2\.0; ask the same, .* delete .*seed0\.json"
    with pytest.raises(WorkbenchError, match=words):
        run_columns(table, request_, [replace(fixed, answer=1)])
    with pytest.raises(WorkbenchError, match=r"config\.passes 7, was null"):
        run_columns(table, replace(request_, passes=7), [fixed])
    cached = replace(request_, features=(("tuned", "some.zarr"),))
    with pytest.raises(WorkbenchError, match=r'tuned-frozen, seed 0.*cache "some.zarr", was null'):
        run_columns(table, cached, [tuned.frozen_variant()])
    with pytest.raises(WorkbenchError, match="found random; leave these or --frozen out"):
        run_columns(table, request_, table.columns_named(["random"], frozen=True))


def test_columns_are_chosen_by_name_and_frozen(table: Guesses) -> None:
    assert table.columns_named(()) == list(table.columns.values())
    assert [c.name for c in table.columns_named((), frozen=True)] == ["fixed", "tuned-frozen"]
    with pytest.raises(WorkbenchError, match="columns out of fixed, tuned, random, found wild"):
        table.columns_named(["fixed", "wild"])


def test_what_is_there_is_assembled_in_the_table_s_order(
    table: Guesses, request_: GuessRequest
) -> None:
    with pytest.raises(WorkbenchError, match=r"a finished column .* run `workbench guesses`"):
        assemble(table, request_.out)
    fixed, tuned, _ = table.columns.values()
    run_columns(table, replace(request_, seeds=(10, 2, 0)), [tuned.frozen_variant(), fixed])
    values = assemble(table, request_.out)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert [row["title"] for row in values["rows"]] == ["Fixed", "Tuned, cold"]
    assert values["rows"][1]["seeds"] == [0, 2, 10]
    assert values["rows"][1]["error"] == pytest.approx((0.5 + 1.5 + 9.5) / 3)
    assert values["rows"][1]["unknown"] is None
    assert values["missing"] == ["tuned", "random"]
    assert values["commits"][0] == "0123456789 with changes"
    assert values["machines"][0] == "an abacus"
    assert len(values["commits"]) == len(values["machines"]) == 2
    table.variant_fills = True
    assert assemble(table, request_.out)["missing"] == ["random"]
    assert [each.column for each in finished(table, request_.out, [fixed])] == [fixed]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("{", r"a JSON object in .*seed0\.json"),
        (
            '{"question": {}, "provenance": {}}',
            r"seed0\.json.*missing required field `error`.*delete it",
        ),
        ('{"question": {}, "provenance": {}, "error": "big"}', "Expected `float`.*delete it"),
        ('{"question": {}, "provenance": {}, "error": 1, "fit": 1}', "unknown fit.*delete it"),
    ],
)
def test_a_damaged_result_is_named(
    table: Guesses, request_: GuessRequest, broken: str, words: str
) -> None:
    run_columns(table, request_, table.columns_named(["fixed"]))
    result_path(request_.out, "fixed", 0).write_text(broken)
    with pytest.raises(WorkbenchError, match=words):
        assemble(table, request_.out)


def test_a_table_is_written_as_text_markdown_page_and_picture(
    table: Guesses, request_: GuessRequest
) -> None:
    run_columns(table, request_, table.columns_named(["fixed", "tuned"]))
    values = assemble(table, request_.out)
    view = view_of(values, remarks={"Errors": "Tuned leads."})
    markdown, page, picture = view.write(request_.out)
    text = markdown.read_text()
    assert text.startswith("# Guesses\n\n## Errors\n\n| guess | error |")
    assert "| Tuned | 1.000 |" not in text
    assert "| Tuned | 0.500 |" in text
    assert "\n\nTuned leads.\n\n- Less is better.\n- Evaluated at commit 0123456789" in text
    assert text.endswith("- Not run yet: random.\n")
    assert "##" not in view_of(values, named=False).to_markdown().removeprefix("# ")
    html = page.read_text()
    for words in ("How <i>far</i> off.", "guess tuned", "Tuned leads.", "<svg"):
        assert words in html
    assert "Nothing" not in text + html  # a table without rows
    assert "http" not in html.replace("http://www.w3.org", "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert view.to_text().splitlines()[0] == "Guesses"


def command(table: Guesses) -> click.Command:
    """The command of the table; its own options are of its request and of its view."""

    def look(out: Path, values: dict[str, Any], remark: str) -> tuple[TableView, list[Path]]:
        return view_of(values, remarks={"Errors": remark}), [out / "more.png"]

    return table_command(
        table,
        click.option("--truth", type=float, default=3.0),
        click.option("--remark", default="None."),
        text="Guess.",
        listed=lambda columns: [["column"], *([column.name] for column in columns)],
        look=look,
    )


def test_a_command_runs_assembles_and_writes(table: Guesses, tmp_path: Path) -> None:
    ask = partial(CliRunner().invoke, command(table))
    out = tmp_path / "table"
    options = ["--store", str(tmp_path), "--out", str(out), "--frozen", "--seed", "4"]
    options += ["--features", "tuned=some.zarr", "--passes", "2", "--truth", "8"]
    found = ask([*options, "--remark", "Well."], catch_exceptions=False)
    assert table.asked_for == [("fixed", 0), ("tuned-frozen", 4)]
    assert "Well." in found.stdout
    assert found.stderr.splitlines() == [
        f"wrote {out / name}"
        for name in ("guesses.json", "guesses.md", "guesses.html", "guesses.png", "more.png")
    ]
    values = json.loads((out / "guesses.json").read_text())
    assert values["truth"] == 8
    result = GuessResult.read(result_path(out, "tuned-frozen", 4))
    assert result.question["config"]["passes"] == 2
    assert result.question["cache"] == "some.zarr"
    again = ask(["--out", str(out), "--assemble"], catch_exceptions=False)
    assert again.exit_code == 0
    assert json.loads((out / "guesses.json").read_text())["rows"] == values["rows"]
    listed = ask(["--list", "--column", "tuned"])
    assert listed.stdout.splitlines()[-2:] == ["tuned", "One of them alone: guess tuned"]
    assert "random" in ask(["--help"]).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--out"),
        (["--out", "o"], "--store"),
        (["--out", "o", "--store", "s", "--column", "wild"], "wild"),
        (["--out", "o", "--store", "s", "--features", "tuned"], "COLUMN=STORE"),
        (["--out", "o", "--store", "s", "--features", "wild=s"], "COLUMN=STORE"),
    ],
)
def test_what_a_command_lacks_is_said(
    table: Guesses, arguments: list[str], words: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(command(table), arguments)
    assert found.exit_code == 2
    assert words in found.stderr
    assert not Path("o").exists()


@pytest.mark.parametrize(("name", "view"), [("table1", table1_view), ("table2", table2_view)])
def test_records_render_to_the_same_bytes(name: str, view: Any) -> None:
    values = json.loads((RESULTS / name / f"{name}.json").read_text())
    committed = (RESULTS / name / f"{name}.md").read_text(encoding="utf-8")
    assert view(values).to_markdown() == committed


def test_cells_say_what_is_missing() -> None:
    nothing = float("nan")
    assert [number(1.23456), number(None), number(nothing, ".1f")] == ["1.235", "–", "–"]
    assert [percent(0.25), percent(None)] == ["25.0", "–"]
    assert [interval(0.1, 0.2), interval(None, None), interval(nothing, nothing)] == [
        "[0.100, 0.200]", "–", "–",
    ]  # fmt: skip
    assert difference({"mean": 0.1, "low": -0.1, "high": 0.3}) == "+0.100 [-0.100, +0.300]"
    assert difference({"mean": 0.1, "low": None, "high": None}, "+.1f", 100) == "+10.0"
    assert [pair({"best": 0.5, "average": 0.25}), pair(None)] == ["0.50 (0.25)", "–"]
    assert [chance(0.0005), chance(0.04)] == ["< 0.001", "0.040"]
