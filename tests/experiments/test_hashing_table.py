"""The hashing table on a small synthetic store, and on results that are written down."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.cli import main
from workbench.data import Images
from workbench.evaluation.retrieval import euclidean_rankings
from workbench.experiments.hashing.columns import HASHING_COLUMNS
from workbench.experiments.hashing.evaluate import RankedPictures, split_of
from workbench.experiments.hashing.results import CodeFigures, HashingResult
from workbench.experiments.hashing.summary import summarise_columns
from workbench.experiments.hashing.table import HASHING, HashingRequest
from workbench.experiments.tables.run import run_columns
from workbench.experiments.tables.table import Finished
from workbench.views.hashing.table import table_view

COLUMNS = ("raw", "diff-hash", "ssh-stumps", "neural-1-seen", "neural-1-unseen")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hashing")
    write_sample(folder / "raw", train=110, test=20, layout="cifar10")
    asked = {"features": "gist", "unit": 65, "workers": 1, "progress": False}
    return run("cifar10", folder / "raw", folder / "a.zarr", **asked).store


def test_command_runs_resumes_and_writes_the_table(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--store", str(store), "--out", str(tmp_path), "--queries", "2", "--labelled", "4",
               "--seeds", "2", "--bits", "4", "--bits", "8", "--queries-shown", "1"]  # fmt: skip
    asked = [*options, *(word for name in COLUMNS for word in ("--column", name))]
    request = HashingRequest(store, tmp_path, (0,), bits=(4, 8), queries=2, labelled=4)
    run_columns(HASHING, request, HASHING.columns_named(COLUMNS))
    with pytest.raises(SystemExit) as status:
        main(["hashing", *asked])
    assert not status.value.code
    out, err = capsys.readouterr()
    assert (out + err).count("done before") == len(COLUMNS)
    values = json.loads((tmp_path / "hashing.json").read_text())
    raw, diff, _, seen, unseen = values["rows"]
    assert (raw["database"], seen["learnt"], unseen["learnt"], diff["learnt"]) == (110, 110, 55, 40)
    assert raw["figures"][0]["found"]["mean"] > 0.3  # 0.1 by chance
    assert [each["bits"] for each in diff["figures"]] == [4, 8]
    split = split_of(Images.open(store), HASHING_COLUMNS["raw"], 2, 4, seed=0)
    labels = split.queries.categories, split.database.categories
    again = euclidean_rankings(split.x_queries, split.x_database, *labels).average_precision()
    assert raw["figures"][0]["splits"][0] == pytest.approx(again.expected.mean())
    pictures = RankedPictures.read(tmp_path / "rankings" / "raw.npz")
    assert pictures.found.shape == (10, 10, 32, 32, 3)
    first = int((labels[0] == 0).argmax())
    near = ((split.x_database - split.x_queries[first]) ** 2).sum(1).argmin()
    assert (pictures.found[0, 0] == split.database[int(near)].pixels).all()
    assert pictures.relevant[0, 0] == (labels[1][near] == 0)
    page = (tmp_path / "hashing.html").read_text()
    assert "DiffHash" in page
    assert "all labels, database unseen" in page
    assert (tmp_path / "hashing-nearest-1.png").stat().st_size > 1000
    with pytest.raises(SystemExit) as status:
        main(["hashing", *asked, "--bits", "12"])
    assert status.value.code == 2
    assert "bits" in capsys.readouterr().err


def finished(name: str, means: dict[int, float]) -> Finished:
    """Column whose two splits have average precisions about given means."""
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, 100)
    figures = tuple(
        CodeFigures(bits, mean + noise, mean + noise, mean + noise, 7, 0.5, 1.0, 1.0)
        for bits, mean in means.items()
    )
    curve = np.ones(2)
    results = tuple(
        HashingResult(
            {"seed": seed, "parameters": {}}, {}, figures, 59, 2, np.array([1, 59]), curve, curve
        )
        for seed in (0, 1)
    )
    return Finished(HASHING_COLUMNS[name], results)


def test_orderings_of_the_seed_are_judged_one_by_one() -> None:
    found = [
        finished("raw", {0: 0.17}),
        finished("diff-hash", {12: 0.15, 24: 0.14, 48: 0.13}),
        finished("ksh", {12: 0.16, 24: 0.16, 48: 0.3}),
        finished("neural-1", {12: 0.2, 24: 0.3, 48: 0.4}),
        finished("neural-2-seen", {12: 0.4, 24: 0.5, 48: 0.6}),
    ]
    question = {
        "bits": [12, 24, 48], "images": 60, "features": "gist", "queries": 40, "labelled": 2,
        "classes": list("abcdefghij"),
    }  # fmt: skip
    values = summarise_columns(found, question)
    verdicts = {
        (each["row"], each["against"], each["bits"]): each["verdict"]
        for each in values["orderings"]
    }
    assert verdicts["DiffHash", "raw vectors", 48] == "holds"
    assert verdicts["KSH", "raw vectors", 12] == "reversed"
    assert verdicts["KSH", "12 bits", 24] == "undecided"
    assert verdicts["DiffHash", "24 bits", 48] == "holds"
    one, two = (HASHING_COLUMNS[name].title for name in ("neural-1", "neural-2-seen"))
    assert not any({one, two} == {row, against} for row, against, _ in verdicts)
    # pairs at three lengths: 3 of the first, 2 networks × 3; two steps of four columns
    assert len(verdicts) == 3 * (3 + 2 * 3) + 2 * 4
    drawn = table_view(values | {"commits": ["a"], "machines": ["b"], "missing": []})
    assert "32 hold, 2 reversed, 1 undecided" in drawn.to_text()
    page = drawn.to_markdown()
    assert "| raw vectors | 19.16 | 17.2 ± 0.2 | [17.2, 17.2] |" in page
    assert "| KSH | raw vectors | +6.6 | -1.0 [-1.0, -1.0] | reversed | +9.9 |" in page
    assert "| KSH | +3.2 | +0.0 [+0.0, +0.0] | undecided | +1.8 | +14.0" in page
