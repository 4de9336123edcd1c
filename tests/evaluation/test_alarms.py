"""Alarms are rules on a table: each fires on what it is for, and on nothing else."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from workbench.linalg.outcomes import ILL_CONDITIONED
from workbench.runs.alarms import LARGE_CONDITION, NARROW_GAP, Alarm, alarms

STEPS = 300


def healthy() -> pd.DataFrame:
    """As a training measures it: every step something, every thirty steps held-out scenes."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(index=pd.RangeIndex(0, STEPS + 1, name="step"))
    table["loss"] = 10 - np.linspace(0, 2, STEPS + 1) + 0.1 * rng.random(STEPS + 1)
    table["j2"] = table["loss"]
    table["gradient_norm"] = 2 + rng.random(STEPS + 1)
    table["condition"] = 1e4 * (1 + rng.random(STEPS + 1))
    table["learning_rate"] = 1e-3
    table.loc[0] = np.nan  # before the first step there is a look only
    looks = table.index[::30]
    table.loc[looks, "covering_average"] = np.linspace(0.4, 0.7, len(looks))
    table.loc[looks, "effective_rank_held_out"] = np.linspace(8, 4, len(looks))
    table.loc[looks, "narrowest_eigengap_held_out"] = 0.01
    return table


def test_a_healthy_training_has_none() -> None:
    assert alarms(healthy()) == []


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_nor_has_one_that_just_began(rows: int) -> None:
    assert alarms(healthy().iloc[:rows]) == []
    assert alarms(pd.DataFrame()) == []


def change(name: str, value: float, rows: slice = slice(-25, None)) -> Callable:
    def make(table: pd.DataFrame) -> None:
        column = table[name].copy()
        column.iloc[rows] = column.iloc[rows].where(column.iloc[rows].isna(), value)
        table[name] = column

    return make


FAULTS = {
    "no finite number": change("gradient_norm", np.nan, slice(-3, None)),
    "no finite": change("gradient_norm", np.inf, slice(100, 101)),
    "times what it was": change("gradient_norm", 1e4),
    "effective rank": change("effective_rank_held_out", 1.5, slice(-1, None)),
    "eigengap": change("narrowest_eigengap_held_out", NARROW_GAP / 2, slice(-1, None)),
    "condition number": change("condition", LARGE_CONDITION * 2),
    "has not risen": change("covering_average", 0.5, slice(100, None)),
}


def faults(words: str) -> list[Alarm]:
    table = healthy()
    FAULTS[words](table)
    if words == "effective rank":
        table["effective_rank_held_out"] = table["effective_rank_held_out"].clip(upper=1.9)
    return alarms(table)


@pytest.mark.parametrize("words", FAULTS)
def test_each_fault_raises_its_own(words: str) -> None:
    (alarm,) = faults(words)
    assert words in alarm.what
    assert alarm.why
    assert alarm.remedy
    assert str(alarm).startswith(f"step {alarm.step}: ")
    assert 0 < alarm.step <= STEPS


def test_a_condition_past_float64_says_that_rounding_decides() -> None:
    table = healthy()
    change("condition", ILL_CONDITIONED * 10)(table)
    (alarm,) = alarms(table)
    assert "decided by rounding" in alarm.why


def test_a_single_hard_image_is_no_alarm() -> None:
    table = healthy()
    table.loc[STEPS, "condition"] = 1e13
    table.loc[STEPS, "gradient_norm"] = 1e5
    assert alarms(table) == []


def test_a_condition_of_the_logarithm_is_no_matter() -> None:
    table = healthy().drop(columns="j2")
    change("condition", 1e13)(table)
    assert alarms(table) == []


def test_at_the_end_of_the_schedule_a_plateau_is_no_matter() -> None:
    table = healthy()
    FAULTS["has not risen"](table)
    table.loc[STEPS, "learning_rate"] = 1e-6
    assert alarms(table) == []
