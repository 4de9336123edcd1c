"""Hashing table with the seed's figures beside ours: markdown, page, frame, pictures."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import holoviews as hv
import pandas as pd
from markupsafe import Markup

from workbench.evaluation.cells import chance, difference, interval, number
from workbench.evaluation.rendering import Rows
from workbench.views.hashing.charts import bits_chart, precision_chart, precision_recall_chart
from workbench.views.tables import CloseUp, TableView

LEAD = Markup(
    "Similarity-preserving hashing of CIFAR-10’s GIST vectors: mean average precision of binary "
    "codes, percent, beside the figures of the account of deep networks as metric learning by "
    "Giryes, Sapiro and Bronstein (theory: arXiv 1504.08291)."
)
NOTES = (
    "mAP: mean average precision of the full ranking of the database by Hamming distance, the "
    "expectation over all orders of items at one distance; ± is 1.96 standard errors over queries. "
    "Ties: the same with relevant items last, and first. An image is relevant if it has the "
    "query's class.",
    "Queries, labels and what a method draws are drawn anew in each split; ± splits is the "
    "standard deviation of the mAP between them.",
    "Networks learn from 2,000 labels as the other methods do, or from all labels of the database "
    "that is ranked (seen), or from half of the labels while the other half is ranked (unseen: a "
    "database half the size). The seed does not say which; its figures stand beside all three.",
    "Balance: mean over the bits of the share of the rarer value; .5 is the most.",
    "Seconds are of one thread's processor time on a machine that others used too.",
    "Orderings: every pair of the seed's methods, networks in each setting, and every method with "
    "more bits. Differences of mAP are paired by query. An ordering holds, or is reversed, where "
    "its probability, corrected for the number of orderings (Holm), is below 0.05; tests resample "
    "queries and do not speak of other splits.",
    "To make it again: `python -m pipelines run cifar10 --features gist --store "
    "stores/cifar10.zarr`, and `workbench hashing --store stores/cifar10.zarr --out runs/hashing`.",
    "DiffHash and LDAHash have one direction fewer than classes; their further bits are noise.",
)


def precisions(values: Mapping[str, Any]) -> Rows:
    """Rows of mAP with bounds over ties, the seed's before ours."""
    header = ["column"]
    for bits in values["bits"]:
        header += [f"seed, {bits} bits", "here", "ties"]
    body = []
    for row in values["rows"]:
        cells = [row["title"]]
        for bits in values["bits"]:
            cells += _precision(_figure(row, bits))
        body.append(cells)
    return [header, *body]


def _precision(found: Mapping[str, Any]) -> list[str]:
    error = number(found["found"]["standard_error"], ".1f", 196)
    return [
        number(found["seed"], ".2f"),
        f"{number(found['found']['mean'], '.1f', 100)} ± {error}",
        interval(found["last"], found["first"], ".1f", 100),
    ]


def _figure(row: Mapping[str, Any], bits: int) -> Mapping[str, Any]:
    """Figures of a number of bits; of vectors without codes, their only ones."""
    found: Mapping[str, Any] = next(each for each in row["figures"] if each["bits"] in (0, bits))
    return found


def codes(values: Mapping[str, Any]) -> Rows:
    """Rows of each column and number of bits: codes, spread between splits, seconds."""
    header = [
        "column", "bits", "mAP", "splits", "± splits", "learnt from", "database", "distinct codes",
        "balance", "fit, s", "encode, s",
    ]  # fmt: skip
    body = [
        [
            row["title"],
            str(each["bits"] or "–"),
            number(each["found"]["mean"], ".1f", 100),
            str(len(each["splits"])),
            number(each["spread"], ".2f", 100),
            f"{row['learnt']:,}",
            f"{row['database']:,}",
            number(each["distinct"], ",.0f"),
            number(each["balance"], ".2f"),
            number(each["fit_seconds"], ".1f"),
            number(each["encode_seconds"], ".1f"),
        ]
        for row in values["rows"]
        for each in row["figures"]
    ]
    return [header, *body]


def more_bits(values: Mapping[str, Any]) -> Rows:
    """Rows of the codes that are longer than the table's."""
    body = [
        [row["title"], str(each["bits"]), *_precision(each)[1:]]
        for row in values["rows"]
        for each in row["figures"]
        if each["bits"] not in (0, *values["bits"])
    ]
    return [["column", "bits", "mAP", "ties"], *body]


def orderings(values: Mapping[str, Any]) -> Rows:
    """Rows of pairs of the seed's methods: differences in the seed, and here with the verdict."""
    header = ["column", "against"]
    for bits in values["bits"]:
        header += [f"seed, {bits} bits", "here", "here it"]
    pairs = [each for each in values["orderings"] if not each["against"].endswith(" bits")]
    return [header, *_by_pair(pairs, values["bits"], _ordering)]


def trends(values: Mapping[str, Any]) -> Rows:
    """Rows of the seed's methods: what more bits change in the seed, and here with the verdict."""
    header, few = ["column"], values["bits"][:-1]
    for bits, more in pairwise(values["bits"]):
        header += [f"seed, {bits} to {more} bits", "here", "here it"]
    same = [each for each in values["orderings"] if each["against"].endswith(" bits")]
    rows = [each | {"bits": int(each["against"].removesuffix(" bits"))} for each in same]
    found = _by_pair([each | {"against": ""} for each in rows], few, _ordering)
    return [header, *([name, *cells] for name, _, *cells in found)]


def tests(values: Mapping[str, Any]) -> Rows:
    """Rows of tests of columns against others, for each number of bits."""
    header = ["column", "against"]
    for bits in values["bits"]:
        header += [f"difference, {bits} bits", "p"]
    return [header, *_by_pair(values["tests"], values["bits"], _test)]


def _by_pair(
    found: Sequence[Mapping[str, Any]],
    bits: Sequence[int],
    cells: Callable[[Mapping[str, Any]], list[str]],
) -> Rows:
    """Rows of pairs of columns, with cells for each number of bits; all pairs have all of them."""
    pairs = dict.fromkeys((each["row"], each["against"]) for each in found)
    at = {(each["row"], each["against"], each["bits"]): cells(each) for each in found}
    return [[*pair, *(cell for count in bits for cell in at[*pair, count])] for pair in pairs]


def _ordering(each: Mapping[str, Any]) -> list[str]:
    ours = difference(each["found"], "+.1f", 100)
    return [number(each["seed"], "+.1f", 100), ours, each["verdict"]]


def _test(each: Mapping[str, Any]) -> list[str]:
    return [difference(each["found"], "+.1f", 100), chance(each["found"]["p"])]


def figures_frame(values: Mapping[str, Any]) -> pd.DataFrame:
    """Figures as a table, a row for each column and number of bits; precisions are shares of 1."""
    return pd.DataFrame(
        [
            {
                "column": row["key"], "bits": each["bits"],
                "seed": each["seed"] and each["seed"] / 100, "mAP": each["found"]["mean"],
                "low": each["found"]["low"], "high": each["found"]["high"],
                "ties_first": each["first"], "ties_last": each["last"],
                "spread_of_splits": each["spread"], "splits": len(each["splits"]),
                "distinct": each["distinct"], "balance": each["balance"],
                "database": row["database"], "fit_seconds": each["fit_seconds"],
            }
            for row in values["rows"]
            for each in row["figures"]
        ]
    )  # fmt: skip


def verdicts(values: Mapping[str, Any]) -> str:
    """Sentence with the numbers of orderings that hold."""
    found = [each["verdict"] for each in values["orderings"]]
    return (
        f"The seed's orderings here: {found.count('holds')} hold, {found.count('reversed')} "
        f"reversed, {found.count('undecided')} undecided."
    )


def heading(values: Mapping[str, Any]) -> str:
    """Heading: number of images, queries and classes."""
    queries = values["queries"] * len(values["classes"])
    return (
        f"Hashing: {queries:,} queries of {values['images']:,} images, "
        f"{len(values['classes'])} classes, {values['features']}"
    )


def table_view(values: Mapping[str, Any], rankings: Sequence[hv.Overlay] = ()) -> TableView:
    """View of the hashing table: rows, notes, charts and rankings.

    Args:
        values: result of `experiments.tables.assemble`, or hashing.json.
        rankings: pictures of queries with their nearest images.
    """
    tables = {
        "Mean average precision": precisions(values),
        "The seed's orderings": orderings(values),
        "More bits": trends(values),
        "Codes and seconds": codes(values),
        "Tests": tests(values),
    }
    pictures = {
        "hashing-bits": bits_chart(values),
        "hashing-precision-recall": precision_recall_chart(values),
        **{f"hashing-nearest-{place}": each for place, each in enumerate(rankings, 1)},
    }
    return TableView(
        "hashing",
        heading(values),
        [LEAD],
        values,
        tables,
        NOTES,
        precision_chart(values),
        remarks={"The seed's orderings": verdicts(values)},
        close_up=CloseUp("Codes", pictures, "Longer codes", more_bits(values)),
    )
