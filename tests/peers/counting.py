"""A pytest plugin: which of a peer's tests came through this library's functions, and their ends.

`stand_in` puts a function of ours in the place of a peer's wherever the peer or its tests hold it;
each call is counted, and a test counts as applied when at least one was made in it. The outcomes
are written to the file that PEERS_REPORT names.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

CALLS = 0
STAND_INS: list[tuple[Any, Any, str]] = []
OUTCOMES: dict[str, dict[str, Any]] = {}


def counted(function: Callable) -> Callable:
    """The function, its calls counted."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        global CALLS
        CALLS += 1
        return function(*args, **options)

    return call


def stand_in(theirs: Any, ours: Callable, prefix: str) -> None:
    """Put `ours` where modules whose names begin with the prefix hold `theirs`."""
    STAND_INS.append((theirs, ours, prefix))


def replace() -> None:
    """Put every stand-in in its place, in the modules that are imported by now."""
    for theirs, ours, prefix in STAND_INS:
        for name, module in list(sys.modules.items()):
            if (
                name.startswith(prefix)
                and not name.startswith("tests.peers")
                and module is not None
            ):
                for attribute, value in list(vars(module).items()):
                    if value is theirs:
                        setattr(module, attribute, ours)


def pytest_collection_finish(session: pytest.Session) -> None:
    replace()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before = CALLS
    try:
        return (yield)
    finally:
        OUTCOMES.setdefault(item.nodeid, {})["applied"] = before < CALLS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[Any]:
    report = yield
    if report.when == "call":
        message = str(call.excinfo.value) if call.excinfo else ""
        kind = call.excinfo.type.__name__ if call.excinfo else ""
        found = OUTCOMES.setdefault(item.nodeid, {})
        found |= {"outcome": report.outcome, "why": f"{kind}: {message}"[:300]}
    return report


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        why = str(report.longrepr).strip().splitlines()[-1]
        OUTCOMES[report.nodeid] = {"outcome": "not read", "why": why[:300]}


def pytest_sessionfinish(session: pytest.Session) -> None:
    Path(os.environ["PEERS_REPORT"]).write_text(json.dumps(OUTCOMES))
