"""`workbench cuts`: how to build and cut hierarchies, chosen on held-out training scenes."""

import itertools
from pathlib import Path

import click

from workbench.experiments.scenes.choose_cuts import choose_cuts
from workbench.segmentation import HierarchyConfig, PoolConfig, Price


@click.command()
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=Path)
@click.option(
    "--coherence", multiple=True, type=float, default=(0.1,), show_default=True,
    help="β, weight of the spectral embedding in the price of a border; repeatable.",
)  # fmt: skip
@click.option("--area-exponent", multiple=True, type=float, default=(0.1,), show_default=True,
              help="γ: how much earlier small regions merge; repeatable.")  # fmt: skip
@click.option("--depth", multiple=True, type=float, default=(0.01,), show_default=True,
              help="Shallower minima make no basin; repeatable.")  # fmt: skip
@click.option("--no-contours", is_flag=True,
              help="Also without the network's contours, from the embedding alone.")  # fmt: skip
@click.option("--count", default=8, show_default=True, help="Cuts an image.")
def cuts(
    runs: tuple[Path, ...],
    coherence: tuple[float, ...],
    area_exponent: tuple[float, ...],
    depth: tuple[float, ...],
    no_contours: bool,
    count: int,
) -> None:
    """Choose how to cut, on the scenes that runs held out of training: an ablation by one command.

    Flat clusterings stand beside every combination of the options. Scores are cross-validated over
    those scenes; the heights that are printed come from all of them.

    \b
    Example:
      workbench cuts runs/seed0 runs/seed1 --coherence 0 --coherence 0.1 --coherence 0.2
    """
    ways = {
        f"coherence {b:g}, area {g:g}, depth {d:g}{'' if contours else ', no contours'}": (
            HierarchyConfig(depth=d, price=Price(b, g)),
            contours,
        )
        for b, g, d, contours in itertools.product(
            coherence, area_exponent, depth, (True, False) if no_contours else (True,)
        )
    }
    choices = choose_cuts(runs, {"flat clusterings": (PoolConfig(), True), **ways}, count)
    width = max(len(choice.name) for choice in choices)
    click.echo(f"{'':{width}}   best  average")
    for choice in choices:
        click.echo(f"{choice.name:{width}}  {choice.best:.4f}  {choice.average:.4f}")
    chosen = next(c.config for c in choices if isinstance(c.config, HierarchyConfig))
    heights = ", ".join(f"{height:.4g}" for height in chosen.heights)
    click.echo(f"heights of the best hierarchy: {heights}")
