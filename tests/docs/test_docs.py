"""Every Python block of docs/*.md runs, those of a page in order and in one namespace."""

import re
from pathlib import Path

import pytest

from tests.processes import ROOT, run_python

PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def runnable(page: Path) -> str:
    """The blocks of a page, each on the lines where it stands, so that a traceback points there."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        start = text.count("\n", 0, block.start(1))
        code = block.group(1).splitlines()
        lines[start : start + len(code)] = code
    return "\n".join(lines)


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(page: Path) -> None:
    code = runnable(page)
    assert code.strip(), "no Python block"
    done = run_python(
        "-c", f"exec(compile({code!r}, {str(page)!r}, 'exec'), {{'__name__': '__main__'}})"
    )
    assert done.returncode == 0, done.stderr
