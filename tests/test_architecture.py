"""The house has one direction: every rule on imports, with all that break it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
ROOMS = (
    "cli", "bench", "widgets", "views", "launch", "experiments", "evaluation", "training", "probe",
    "runs", "models", "hashing", "objectives", "segmentation", "layers", "geometry", "linalg",
    "data", "testing", "errors", "version",
)  # fmt: skip
"""Top of the house first; a room may import itself and what stands below it."""
WINGS = {"scenes", "regions", "images", "geometry", "hashing"}
"""Subjects: as folders of one room they never import each other."""
STORE_READING = {"store", "errors", "files", "folders", "images", "label_maps"}
"""Modules of pipelines that workbench may know."""


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree of every module of both packages, by its dotted name; a package by its own."""
    trees = {}
    for path in sorted([*ROOT.glob("workbench/**/*.py"), *ROOT.glob("pipelines/**/*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(), filename=str(path))
    return trees


def is_package(name: str) -> bool:
    return (ROOT.joinpath(*name.split(".")) / "__init__.py").is_file()


def imports_in(name: str, node: ast.AST, *, for_types: bool) -> Iterator[str]:
    """Absolute names that a module imports anywhere, with or without `if TYPE_CHECKING`."""
    if not for_types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = name.split(".")
        package = parts if is_package(name) else parts[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            longer = f"{module}.{alias.name}"
            yield longer if longer in modules() else module
    for child in ast.iter_child_nodes(node):
        yield from imports_in(name, child, for_types=for_types)


@cache
def graph(*, for_types: bool = True) -> dict[str, set[str]]:
    """Imported names of every module; those of both packages are names of modules."""
    return {
        name: set(imports_in(name, tree, for_types=for_types)) - {name}
        for name, tree in modules().items()
    }


def edges(package: str) -> Iterator[tuple[list[str], list[str]]]:
    """Importing and imported module, both in parts, for every import of a package."""
    for name, imported in graph().items():
        if name.split(".")[0] == package:
            yield from ((name.split("."), each.split(".")) for each in sorted(imported))


def said(importing: list[str], imported: list[str]) -> str:
    return f"{'.'.join(importing)} imports {'.'.join(imported)}"


def test_imports_of_workbench_only_go_down() -> None:
    own = {name.split(".")[1] for name in modules() if name.startswith("workbench.")}
    assert own <= set(ROOMS) | {"__main__"}, "give the new room a place in ROOMS"
    offenders = [
        said(a, b)
        for a, b in edges("workbench")
        if b[0] == "workbench" and len(a) > 1 and a[1] in ROOMS
        and (len(b) == 1 or ROOMS.index(b[1]) < ROOMS.index(a[1]))
    ]  # fmt: skip
    assert not offenders


def test_wings_of_one_room_do_not_import_each_other() -> None:
    def wing(parts: list[str]) -> tuple[str, str] | None:
        inside = len(parts) > 2 and parts[2] in WINGS
        reader = inside and parts[2] == "images" and not is_package(".".join(parts[:3]))
        return (parts[1], parts[2]) if inside and not reader else None

    offenders = []
    for a, b in edges("workbench"):
        own, other = wing(a), wing(b)
        if own and other and own[0] == other[0] and own[1] != other[1]:
            offenders.append(said(a, b))
    assert not offenders


def test_workbench_knows_only_how_pipelines_read_stores_and_files() -> None:
    offenders = [
        said(a, b)
        for a, b in edges("workbench")
        if a[1:2] not in (["cli"], ["bench"])  # these start pipelines, and measure them
        and b[0] == "pipelines" and not STORE_READING.issuperset(b[1:2] or ["everything"])
    ]  # fmt: skip
    assert not offenders


@pytest.mark.parametrize(
    ("importing", "heavy"),
    [
        ("pipelines", {"torch", "workbench"}),
        ("pipelines.sources", {"dask", "distributed", "zarr", "xarray"}),
    ],
)
def test_packages_know_nothing_of(importing: str, heavy: set[str]) -> None:
    offenders = [
        said(a, b)
        for a, b in edges("pipelines")
        if f"{'.'.join(a)}.".startswith(f"{importing}.") and b[0] in heavy
    ]
    assert not offenders


def test_no_circle_of_imports() -> None:
    """Imports inside functions count, imports for type checkers do not."""
    imported = graph(for_types=False)
    names = list(imported)
    matrix = np.array([[other in imported[name] for other in names] for name in names])
    _, labels = connected_components(csr_array(matrix), connection="strong")
    circles = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    offenders = [[names[i] for i in circle] for circle in circles if len(circle) > 1]
    assert not offenders


def test_packages_state_their_public_names() -> None:
    offenders = []
    for name, tree in modules().items():
        if not is_package(name):
            continue
        alone = len(tree.body) == 1 and ast.get_docstring(tree) is not None
        stated = any(
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for node in tree.body
        )
        if not alone and not stated:
            offenders.append(name)
    assert not offenders
