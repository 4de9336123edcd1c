"""What the commands of whole tables share."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from workbench.runs.files import atomic_write


def stores_by_column(
    features: tuple[str, ...], known: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """The values of --features: columns with their stores.

    Raises:
        click.UsageError: a value is not COLUMN=STORE, or there is no such column.
    """
    pairs = []
    for each in features:
        name, equals, store = each.partition("=")
        if not equals or name not in known:
            raise click.UsageError(f"--features takes COLUMN=STORE, got {each!r}.")
        pairs.append((name, store))
    return tuple(pairs)


def write_values(values: dict[str, Any], path: Path) -> Path:
    """A table's values as JSON, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    return path
