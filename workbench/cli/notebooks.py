"""Copies of the project's notebooks: the originals are templates and stay as they are."""

from pathlib import Path

from workbench.errors import WorkbenchError

PATTERNS = ("*.ipynb", "results/table2/table2.*", "results/ranks/*")
"""Files of a working folder: notebooks, and the records that they show."""
_PACKAGE = Path(__file__).parents[1]


def templates() -> Path:
    """Folder of the templates: in an installed package, or beside it in a checkout.

    Raises:
        WorkbenchError: there is none.
    """
    places = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise WorkbenchError(
        "the project's notebooks", f"none in {' or '.join(map(str, places))}", "install it again"
    )


def copy_notebooks(folder: Path, fresh: bool = False) -> list[Path]:
    """Copy the templates into a working folder; files that are there already are left alone.

    Args:
        folder: the working folder, created where it is missing.
        fresh: replace copies that differ from their template.

    Returns:
        Copies that differ from their template and were kept.
    """
    source, kept = templates(), []
    for file in sorted(each for pattern in PATTERNS for each in source.glob(pattern)):
        copy, content = folder / file.relative_to(source), file.read_bytes()
        if copy.exists() and copy.read_bytes() != content and not fresh:
            kept.append(copy)
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    return kept
