"""The house has one direction: imports inside `workbench` only go down its list of rooms."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "cli",
    "bench",
    "widgets",
    "views",
    "launch",
    "experiments",
    "evaluation",
    "training",
    "runs",
    "models",
    "objectives",
    "segmentation",
    "layers",
    "linalg",
    "data",
    "testing",
    "errors",
    "version",
]
"""Top of the house first; a room may import itself and what stands below it."""


def imported_modules(path: Path) -> set[str]:
    """Absolute names of every module that a file imports, wherever in the file."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "workbench" else None


WORKBENCH_FILES = sorted((ROOT / "workbench").rglob("*.py"))
PIPELINE_FILES = sorted((ROOT / "pipelines").rglob("*.py"))


@pytest.mark.parametrize("path", WORKBENCH_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_workbench_imports_only_go_down(path: Path) -> None:
    own = path.relative_to(ROOT / "workbench").with_suffix("").parts[0]
    if own in {"__init__", "__main__"}:
        return
    assert own in ROOMS, f"{own} is a room that the list does not know: give it a place in ROOMS"
    for module in imported_modules(path):
        room = room_of(module)
        if room in ROOMS:
            assert ROOMS.index(room) >= ROOMS.index(own), f"{path} imports {module}: that goes up"


@pytest.mark.parametrize("path", WORKBENCH_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_workbench_knows_only_the_store_of_pipelines(path: Path) -> None:
    if path.relative_to(ROOT / "workbench").parts[0] in {"cli", "bench"}:
        return  # these stand above both packages: they start pipelines, and measure them
    modules = {m for m in imported_modules(path) if m.split(".")[0] == "pipelines"}
    allowed = ("pipelines.store", "pipelines.errors")
    strangers = {m for m in modules if m != "pipelines" and not m.startswith(allowed)}
    assert not strangers


@pytest.mark.parametrize("path", PIPELINE_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pipelines_know_neither_torch_nor_workbench(path: Path) -> None:
    assert not {m for m in imported_modules(path) if m.split(".")[0] in {"torch", "workbench"}}


@pytest.mark.parametrize("path", PIPELINE_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_sources_know_neither_dask_nor_zarr(path: Path) -> None:
    if "sources" in path.parts:
        heavy = {"dask", "distributed", "zarr", "xarray"}
        assert not {m for m in imported_modules(path) if m.split(".")[0] in heavy}
