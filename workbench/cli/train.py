"""`workbench train`: a configuration from options, a training, a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import decorated, options_of
from workbench.cli.train_options import WEIGHTS, ending_options, report, weights_to_load
from workbench.cli.train_regions import region_commands
from workbench.experiments import train_deep_ncuts
from workbench.models.backbones import BACKBONES
from workbench.training.scenes.config import DeepNCutsConfig

DEFAULT = DeepNCutsConfig(store="")
SHAPE = ("backbone", "taps", "head", "features", "dropout", "enlarge", "learn_coupling")
"""Options of the architecture."""
OWN = (
    "frozen", "cache", "start", "objective", "ridge", "objective_weight", "contour_weight",
    "agreement_weight", "scales", "crop", "holdout",
)  # fmt: skip
"""Options that only the training of a DeepNCuts has."""


@click.group()
def train() -> None:
    """Train a network into a run folder: DeepNCuts, or a region classifier by name."""


@train.command("deep-ncuts")
@click.option("--store", required=True, help="Zarr store of scenes, from `python -m pipelines`.")
@click.option("--run", "path", required=True, type=Path, help="Folder of the run, made anew.")
@decorated(
    *options_of(
        DEFAULT.architecture,
        *SHAPE,
        backbone={"type": click.Choice(list(BACKBONES))},
        taps={
            "flags": "--tap",
            "help": "ReLU that feeds the new layers; repeat it for a hypercolumn head.",
        },
        head={
            "type": click.Choice(["convolutions", "hypercolumn"]),
            "help": "The paper's two new layers, or several taps fused, with contours.",
        },
    ),
    WEIGHTS,
    click.option("--from-scratch", is_flag=True, help="Start from random weights."),
    *options_of(DEFAULT, *OWN),
    *ending_options(DEFAULT),
)
def deep_ncuts(
    path: Path, weights: Path | None, from_scratch: bool, resume: bool,
    overwrite: bool, **options: Any,
) -> None:  # fmt: skip
    """Train DeepNCuts on a store of scenes (paper §5, §6.2).

    \b
    Example:
      workbench train deep-ncuts --store stores/bsds.zarr --backbone alexnet --tap relu5 \\
        --run runs/alexnet-relu5
    """
    shape = {name: options.pop(name) for name in SHAPE}
    config = DeepNCutsConfig(
        architecture=replace(DEFAULT.architecture, **shape),
        weights=weights_to_load(shape["backbone"], weights, from_scratch),
        **options,
    )
    run = train_deep_ncuts(config, path, resume=resume, overwrite=overwrite)
    report(run, f"workbench evaluate {path} --split test")


for each in region_commands():
    train.add_command(each)
