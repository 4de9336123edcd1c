"""`workbench bench`: layers, cuts and pipelines beside other libraries; how fast explorers are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import torch

    from workbench.bench.report import Report


@click.group()
def bench() -> None:
    """Time, memory and gradient error beside the libraries that one would otherwise pick.

    All run in turn in one process, so ratios hold on a busy machine too. Peers come with
    `pip install -e '.[bench]'`; those that are missing are named, and the rest runs.
    """


def _common(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--quick", is_flag=True, help="Under two minutes: smaller or fewer cases."),
        click.option("--out", type=Path, help="Folder for the tables, the JSON and the plot."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
    ):
        command = option(command)
    return command


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
                     show_default=True, help="auto: the CPU, then CUDA if there is one."),
        click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True),
    ):  # fmt: skip
        command = option(command)
    return _common(command)


@bench.command()
@_options
def layers(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """The matrix logarithm and square root: torch, torchspd, spd_learn, geoopt, Newton–Schulz."""
    from workbench.bench.layers.run import QUICK, LayerSizes, bench_layers

    sizes = QUICK if quick else LayerSizes()
    for place in _devices(device, threads):
        _show(bench_layers(sizes, place), as_json, out / place.type if out else None)


@bench.command()
@_options
def ncuts(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """J1, J2 and the embedding: dense matrices, scipy, scikit-learn, ncut_pytorch."""
    from workbench.bench.ncuts.run import QUICK, CutSizes, bench_ncuts

    sizes = QUICK if quick else CutSizes()
    for place in _devices(device, threads):
        _show(bench_ncuts(sizes, place), as_json, out / place.type if out else None)


@bench.command()
@_common
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="WORKBENCH_DATA",
    help="A folder with coco2017/; default: WORKBENCH_DATA, or else a synthetic sample.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to write, some 8 GB for the time; default: the system's temporary folder.",
)
def pipeline(
    quick: bool, out: Path | None, as_json: bool, data: Path | None, scratch: Path | None
) -> None:
    """COCO's regions, written and loaded: decoding alone, dask.bag, memory maps, DataLoader."""
    import torch

    from workbench.bench.pipeline.run import QUICK, PipelineSizes, bench_pipeline

    torch.set_num_threads(1)
    _show(bench_pipeline(QUICK if quick else PipelineSizes(), data, scratch), as_json, out)


@bench.command()
@_options
def clustering(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """Eight clusterings of an image, and all from features to segments: scikit-learn's KMeans."""
    from workbench.bench.clustering import QUICK, ClusteringSizes, bench_clustering

    sizes = QUICK if quick else ClusteringSizes()
    for place in _devices(device, threads):
        _show(bench_clustering(sizes, place), as_json, out / place.type if out else None)


@bench.command()
@_options
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="WORKBENCH_DATA",
    help="A folder with coco2017/ and weights/; default: WORKBENCH_DATA, or else noise.",
)
def o2p(
    quick: bool, out: Path | None, as_json: bool, device: str, threads: int, data: Path | None
) -> None:
    """Second-order pooling in a network: torch's eigh, Newton–Schulz, average pooling."""
    from workbench.bench.o2p.run import QUICK, bench_o2p, full_sizes

    for place in _devices(device, threads):
        sizes = QUICK if quick else full_sizes(place)
        _show(bench_o2p(sizes, place, data), as_json, out / place.type if out else None)


@bench.command()
@_common
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def live(quick: bool, out: Path | None, as_json: bool, threads: int) -> None:
    """Click to heat map, slider to segments, a run of 100,000 steps: what the explorers take."""
    import torch

    from workbench.bench.live.run import QUICK, LiveSizes, bench_live

    torch.set_num_threads(threads)
    _show(bench_live(QUICK if quick else LiveSizes()), as_json, out)


@bench.command()
@_options
def probe(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """Recording a network, watching a loop of one's own, one cut of 1,000 images: ncut_pytorch."""
    from workbench.bench.probe.run import QUICK, ProbeSizes, bench_probe

    sizes = QUICK if quick else ProbeSizes()
    for place in _devices(device, threads):
        _show(bench_probe(sizes, place), as_json, out / place.type if out else None)


@bench.command()
@_options
def geometry(quick: bool, out: Path | None, as_json: bool, device: str, threads: int) -> None:
    """Mean width beside a matrix product, streamed; all pairs' angles; scikit-dimension."""
    from workbench.bench.geometry import QUICK, GeometrySizes, bench_geometry

    sizes = QUICK if quick else GeometrySizes()
    for place in _devices(device, threads):
        _show(bench_geometry(sizes, place), as_json, out / place.type if out else None)


@bench.command()
@_common
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def hashing(quick: bool, out: Path | None, as_json: bool, threads: int) -> None:
    """Exact mean average precision of 1,000 × 59,000 binary codes: faiss, a numpy argsort."""
    import torch

    from workbench.bench.hashing import QUICK, HashingSizes, bench_hashing

    torch.set_num_threads(threads)
    _show(bench_hashing(QUICK if quick else HashingSizes()), as_json, out)


@bench.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of records; default: notebooks/results/gpu.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.5),
    default=9.0,
    show_default=True,
    help="For the whole call; another one goes on where it stopped.",
)
@click.pass_context
def gpu(context: click.Context, out: Path | None, minutes: float) -> None:
    """Every CUDA test and every benchmark with a --device on this machine's GPU, on record.

    Exit status: 0 all is on record and passed · 1 something failed · 2 there is no GPU · 3 time ran
    out, the same command goes on.
    """
    from workbench.bench.gpu import DONE, FAILED, RESULTS, missing_packages, parts, probe, use_gpu

    device = probe()
    if device is None:
        raise WorkbenchError(
            "a CUDA device that torch sees", "none", "run this on a machine with a GPU"
        )
    click.echo(f"{device.name}, torch {device.torch}")
    if missing := missing_packages():
        click.echo(f"of requirements.lock this Python lacks: {' '.join(missing)}", err=True)
    names = [
        name
        for name, command in bench.commands.items()
        if any(parameter.name == "device" for parameter in command.params)
    ]
    wanted = parts(names)
    statuses = use_gpu(out or RESULTS, device, wanted, seconds=60 * minutes, say=click.echo)
    if FAILED in statuses.values():
        context.exit(1)
    left = [part.name for part in wanted if statuses.get(part.name) != DONE]
    if left:
        click.echo(f"to be done: {', '.join(left)}; the same command goes on", err=True)
        context.exit(3)


def _devices(choice: str, threads: int) -> "list[torch.device]":
    import torch

    torch.set_num_threads(threads)
    there = torch.cuda.is_available()
    if choice == "cuda" and not there:
        raise WorkbenchError("a CUDA device", "none", "say --device cpu")
    names = [choice] if choice != "auto" else ["cpu", "cuda"] if there else ["cpu"]
    return [torch.device(name) for name in names]


def _show(report: "Report", as_json: bool, out: Path | None) -> None:
    click.echo(json.dumps(report.to_dict(), indent=1) if as_json else report.to_text())
    if out is not None:
        for path in report.save(out):
            click.echo(f"wrote {path}", err=True)
