"""`workbench train`: a configuration from options, a training, a run."""

from pathlib import Path
from typing import Any

import click

from workbench.cli.train_options import (
    RUN_OPTIONS,
    decorated,
    loop_options,
    report,
    weights_to_load,
)
from workbench.cli.train_regions import region_commands
from workbench.experiments import train_deep_ncuts
from workbench.models import ArchitectureConfig
from workbench.models.backbones import ARCHITECTURES
from workbench.training.scenes.config import DeepNCutsConfig

DEFAULT = DeepNCutsConfig(store="")


@click.group()
def train() -> None:
    """Train a network into a run folder: DeepNCuts, or a region classifier by name."""


@train.command("deep-ncuts")
@click.option("--store", required=True, help="Zarr store of scenes, from `python -m pipelines`.")
@click.option("--run", "path", required=True, type=Path, help="Folder of the run, made anew.")
@click.option(
    "--backbone", type=click.Choice(list(ARCHITECTURES)), default="alexnet", show_default=True
)
@click.option(
    "--tap", "taps", multiple=True, default=("relu5",), show_default=True,
    help="ReLU that feeds the new layers; repeat it for a hypercolumn head.",
)  # fmt: skip
@click.option(
    "--head", type=click.Choice(["convolutions", "hypercolumn"]), default="convolutions",
    show_default=True, help="The paper's two new layers, or several taps fused, with contours.",
)  # fmt: skip
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Pretrained weights, .safetensors or torchvision's .pth. "
    "[default: the backbone's file in $WORKBENCH_DATA/weights]",
)
@click.option("--from-scratch", is_flag=True, help="Start from random weights.")
@click.option(
    "--objective", type=click.Choice(["j1", "j2"]), default=DEFAULT.objective, show_default=True
)
@click.option(
    "--ridge", default=DEFAULT.ridge, show_default=True,
    help="Bounds the gradient of the projector, as a fraction of the mean eigenvalue.",
)  # fmt: skip
@click.option(
    "--features", default=DEFAULT.architecture.features, show_default=True,
    help="Dimensions of the affinity: the largest rank of W.",
)  # fmt: skip
@click.option(
    "--enlarge", default=DEFAULT.architecture.enlarge, show_default=True,
    help="Enlarge images before the backbone, for a finer grid.",
)  # fmt: skip
@click.option(
    "--dropout", default=DEFAULT.architecture.dropout, show_default=True, help="Within the head."
)
@click.option(
    "--objective-weight", default=DEFAULT.objective_weight, show_default=True,
    help="Of J1 or J2 in the loss.",
)  # fmt: skip
@click.option(
    "--contour-weight", default=DEFAULT.contour_weight, show_default=True,
    help="Of the contours' logistic loss; a hypercolumn head predicts them.",
)  # fmt: skip
@click.option(
    "--agreement-weight", default=DEFAULT.agreement_weight, show_default=True,
    help="Of the loss that asks, through the eigenvectors, whether two pixels lie in one segment.",
)  # fmt: skip
@click.option(
    "--scales", type=(float, float), default=DEFAULT.scales, show_default=True,
    help="Resize training images by a factor in this range.",
)  # fmt: skip
@click.option(
    "--crop", default=DEFAULT.crop, show_default=True,
    help="Smallest fraction of each side of a training image that is kept.",
)  # fmt: skip
@click.option("--frozen", is_flag=True, help="The backbone keeps its pretrained weights.")
@click.option(
    "--cache",
    help="Store of the frozen backbone's features (`python -m pipelines run bsds --features …`).",
)  # fmt: skip
@click.option("--start", help="Run whose network the training starts from.")
@click.option("--learn-coupling", is_flag=True, help="Learn Λ of W = XΛXᵀ; needs --objective j1.")
@click.option(
    "--holdout", default=DEFAULT.holdout, show_default=True,
    help="Training scenes kept out, to watch the covering on.",
)  # fmt: skip
@decorated(*loop_options(DEFAULT), *RUN_OPTIONS)
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
    shape = {
        name: options.pop(name)
        for name in ("backbone", "taps", "head", "features", "dropout", "enlarge", "learn_coupling")
    }
    config = DeepNCutsConfig(
        architecture=ArchitectureConfig(**shape),
        weights=weights_to_load(shape["backbone"], weights, from_scratch),
        **options,
    )
    run = train_deep_ncuts(config, path, resume=resume, overwrite=overwrite)
    report(run, f"workbench evaluate {path} --split test")


for each in region_commands():
    train.add_command(each)
