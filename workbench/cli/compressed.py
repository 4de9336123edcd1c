"""`workbench compressed`: the class and the image from the same few measurements of CIFAR-10."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.options import names_of, numbers_of

if TYPE_CHECKING:
    from workbench.experiments.compressed.study import Study


@click.command()
@click.option("--store", required=True, help="Store of CIFAR-10: python -m pipelines run cifar10.")
@click.option("--out", type=Path, required=True, help="Folder of the items, record and pictures.")
@click.option("--operators", callback=names_of, metavar="NAMES",
              help="gaussian, principal, learned-linear, convolutional (colour images); radon, "
              "radon-scattered (grey discs). Commas between; default: all.")  # fmt: skip
@click.option("--ratios", callback=numbers_of, metavar="NUMBERS",
              help="Pixels for each measurement, commas between: 2, 4, … 128; default: all. "
              "Tomography ends at 16, one view.")  # fmt: skip
@click.option("--seeds", callback=numbers_of, default="0,1,2", show_default=True, metavar="NUMBERS",
              help="Seeds of operators, noise and networks.")  # fmt: skip
@click.option("--train", type=click.IntRange(min=10), default=20_000, show_default=True,
              help="Number of training images at most.")  # fmt: skip
@click.option("--test", type=click.IntRange(min=2), default=10_000, show_default=True,
              help="Number of test images at most.")  # fmt: skip
@click.option("--noise", type=click.FloatRange(min=0), default=0.01, show_default=True,
              help="Deviation of the noise, relative to the root mean square of the measurements "
              "about their means.")  # fmt: skip
@click.option("--passes", type=click.IntRange(min=1), default=4, show_default=True,
              help="Passes of the networks over the training images.")  # fmt: skip
@click.option("--assemble", is_flag=True,
              help="Compute nothing: write the record of the items that are finished.")  # fmt: skip
def compressed(
    store: str,
    out: Path,
    operators: tuple[str, ...] | None,
    ratios: tuple[int, ...] | None,
    seeds: tuple[int, ...],
    train: int,
    test: int,
    noise: float,
    passes: int,
    assemble: bool,
) -> None:
    """Compressed discrimination and tomography: PSNR and class error from m < n measurements.

    Colour images are measured by a random projection, by principal components, by a matrix and by
    two convolutions that are learned for the class; grey ones by a few Radon views, also with
    scattering. From the same noisy measurements the image is reconstructed (linear MMSE; of views
    also SART and a small network), and the class is found (ridge regression, two-layer network).

    Written to --out: an item for each operator, ratio and seed when it is done; compressed.json,
    compressed.csv, compressed.md and pictures, whose photographs are scikit-image's. Stopped, the
    same command goes on.

    \b
    Example, about an hour on one core:
      workbench compressed --store stores/cifar10.zarr --out runs/compressed
    """
    from workbench.experiments.compressed.items import OPERATORS, RATIOS, Settings
    from workbench.experiments.compressed.study import compressed as run
    from workbench.experiments.compressed.study import finished
    from workbench.runs.provenance import provenance

    started = provenance()
    asked: dict[str, Any] = {
        "operators": operators or tuple(OPERATORS), "ratios": ratios or RATIOS, "seeds": seeds,
    }  # fmt: skip
    study = (
        finished(out, **asked)
        if assemble
        else run(store, out, train=train, test=test, settings=Settings(noise, passes), **asked)
    )
    for path in _write(study, started, out):
        click.echo(str(path))
    if study.missing:
        click.echo(f"not finished: {len(study.missing)} items", err=True)


def _write(study: "Study", started: dict[str, Any], out: Path) -> list[Path]:
    from workbench.experiments.compressed.record import markdown
    from workbench.runs.files import to_json, write_files
    from workbench.views.compressed import pictures

    table = study.table()
    drawn = pictures(study)
    record = {
        "settings": study.settings, "figures": table.to_dict("records"),
        "possible": study.possible().to_dict("records"),
        "missing": [key.file.removesuffix(".npz") for key in study.missing],
        "seconds": sum(item.seconds for item in study.items), "provenance": started,
    }  # fmt: skip
    files = {
        "compressed.json": to_json(record).encode(),
        "compressed.csv": table.to_csv(index=False, float_format="%.5g").encode(),
        "compressed.md": markdown(study, list(drawn), started).encode(),
        **drawn,
    }
    return write_files(out, files)
