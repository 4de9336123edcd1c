"""A docstring's first word names its subject: rules on words, with all that break them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
VAGUE = {"Of", "Those", "It", "They", "That", "What", "One"}
"""First words that mean nothing without the name above them."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a file, those below constants and attributes included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str) and text.strip():
                yield node.lineno, text.strip()


def test_docstrings_name_their_subject() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in sorted([*ROOT.glob("workbench/**/*.py"), *ROOT.glob("pipelines/**/*.py")])
        for line, text in docstrings(path)
        if text.split()[0] in VAGUE
    ]
    assert not offenders
