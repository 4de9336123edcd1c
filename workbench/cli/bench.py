"""`workbench bench`: the layers and the cuts beside other libraries, on this machine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import torch

    from workbench.bench import Report


@click.group()
def bench() -> None:
    """Time, memory and gradient error beside the libraries that one would otherwise pick.

    All run in turn in one process, so ratios hold on a busy machine too. Peers come with
    `pip install -e '.[bench]'`; those that are missing are named, and the rest runs.
    """


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--quick", is_flag=True, help="Under two minutes: smaller or fewer cases."),
        click.option("--out", type=Path, help="Folder for the tables, the JSON and the plot."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
                     show_default=True, help="auto: the CPU, then CUDA if there is one."),
        click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True),
    ):  # fmt: skip
        command = option(command)
    return command


@bench.command()
@_options
def layers(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """The matrix logarithm and square root: torch, torchspd, spd_learn, geoopt, Newton–Schulz."""
    from workbench.bench.layers import QUICK, LayerSizes, bench_layers

    sizes = QUICK if quick else LayerSizes()
    for place in _devices(device, threads):
        _show(bench_layers(sizes, place), place, out, as_json)


@bench.command()
@_options
def ncuts(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """J1, J2 and the embedding: dense matrices, scipy, scikit-learn, ncut_pytorch."""
    from workbench.bench.ncuts import QUICK, CutSizes, bench_ncuts

    sizes = QUICK if quick else CutSizes()
    for place in _devices(device, threads):
        _show(bench_ncuts(sizes, place), place, out, as_json)


@bench.command()
@_options
def clustering(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """Eight clusterings of an image, and all from features to segments: scikit-learn's KMeans."""
    from workbench.bench.clustering import QUICK, ClusteringSizes, bench_clustering

    sizes = QUICK if quick else ClusteringSizes()
    for place in _devices(device, threads):
        _show(bench_clustering(sizes, place), place, out, as_json)


def _devices(choice: str, threads: int) -> "list[torch.device]":
    import torch

    torch.set_num_threads(threads)
    there = torch.cuda.is_available()
    if choice == "cuda" and not there:
        raise WorkbenchError("a CUDA device", "none", "say --device cpu")
    names = [choice] if choice != "auto" else ["cpu", "cuda"] if there else ["cpu"]
    return [torch.device(name) for name in names]


def _show(report: "Report", device: "torch.device", out: Path | None, as_json: bool) -> None:
    click.echo(json.dumps(report.to_dict(), indent=1) if as_json else report.to_text())
    if out is not None:
        for path in report.save(out / device.type):
            click.echo(f"wrote {path}", err=True)
