"""`python -m pipelines`: plan, run, resume, verify, status, sample, download.

Exit status: 0 all is well; 1 units failed, or a store is damaged or unfinished, or its disk cannot
be written; 2 the request or the input cannot be used, in one sentence; 3 complete, but with items
quarantined; 130 interrupted, to be resumed.
"""

import sys
from pathlib import Path
from typing import Any

import click

from pipelines import jobs
from pipelines.cluster.options import options as cluster_options
from pipelines.dataset_options import dataset_options
from pipelines.download.command import download
from pipelines.errors import PipelineError, TargetError, UserError
from pipelines.estimate import estimate
from pipelines.execute import SchedulerLost, Summary, UnitError, store_digest
from pipelines.interruption import keep_quiet
from pipelines.ledger import Ledger
from pipelines.sources import sample
from pipelines.store import read_attributes
from pipelines.task import units_with_holes
from pipelines.verify import verify as verify_store

DONE, FAILED, USAGE, QUARANTINED, INTERRUPTED = 0, 1, 2, 3, 130

STORE = click.option(
    "--store", type=click.Path(path_type=Path), required=True, help="The store's folder."
)


@click.group(epilog="Each command has its own --help, with examples.")
def main() -> None:
    """Raw datasets to zarr stores, on Dask; interrupted at any point, resumed by the same command.

    \b
      python -m pipelines sample --root data/sample
      python -m pipelines run bsds --root data/sample --store stores/sample.zarr
      python -m pipelines run images --root holiday --store stores/holiday.zarr
      python -m pipelines verify --store stores/sample.zarr
    """


@main.command()
@dataset_options
def plan(**arguments: Any) -> None:
    """Say what a run would read and write, and write nothing.

    \b
      python -m pipelines plan bsds --root BSDS500
      python -m pipelines plan coco --root coco2017 --split val
    """
    made = jobs.planned(**arguments)
    click.echo(made.plan.describe())
    click.echo(str(estimate(made)))


@main.command()
@dataset_options
@STORE
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace a store of another plan.")
def run(**arguments: Any) -> int:
    """Write a dataset's store, or finish it where an earlier run stopped.

    \b
      python -m pipelines run bsds --root BSDS500 --store stores/bsds.zarr
      python -m pipelines run coco --root coco2017 --store stores/coco.zarr --workers 2
      python -m pipelines run coco --root coco2017 --product scenes --store stores/coco-scenes.zarr
      python -m pipelines run coco --root coco2017 --features alexnet:relu5 --mirrored \\
        --weights weights/alexnet.safetensors --store stores/coco-relu5.zarr
      python -m pipelines run coco --annotations cells.json --images photos --store stores/c.zarr
      python -m pipelines run cifar10 --features gist --store stores/cifar10.zarr
      python -m pipelines run images --root holiday --store stores/holiday.zarr

    \b
    coco: one of these layouts below --root, or any other with --annotations FILE --images FOLDER:
      annotations/instances_X.json   images in X/, images/X/, SPLIT/, images/SPLIT/ or images/,
                                     as COCO and CVAT have them (X is val2017, SPLIT is val)
      SPLIT/_annotations.coco.json   images beside it (Roboflow)
      result.json                    images in images/ (Label Studio)
    Boxes without segmentations are their own masks; what is mended or left out is noted.
    cifar10: the official binary files or pickles, or a zip of {train,test}/<category>/NNNN.jpg.
    images: all images in a folder and below it, at their own sizes, upright, in one split named
    all, without label maps. What is not taken is counted, and what does not read is quarantined.
    """
    return _report(jobs.run(**arguments))


@main.command()
@STORE
@click.option(
    "--root", type=click.Path(path_type=Path), help="Where the dataset lies, if it was moved."
)
@click.option("--redo", type=int, multiple=True, help="A unit to write again; may be repeated.")
@click.option("--retry-quarantined", is_flag=True, help="Write units with quarantined items again.")
@cluster_options
def resume(**arguments: Any) -> int:
    """Finish a store by its own plan; with --redo, mend the units that verify names.

    \b
      python -m pipelines resume --store stores/coco.zarr
      python -m pipelines resume --store stores/coco.zarr --redo 3 --redo 7
    """
    return _report(jobs.resume(**arguments))


@main.command()
@STORE
def verify(store: Path) -> int:
    """Read all of a store again and compare it with what was written."""
    result = verify_store(store)
    click.echo(str(result))
    return DONE if result.ok else FAILED


@main.command()
@STORE
def status(store: Path) -> None:
    """Say how far a store is, and what was quarantined."""
    read_attributes(store)
    ledger = Ledger(store)
    made, marks = ledger.plan(), ledger.marks()
    click.echo(made.describe())
    holes = units_with_holes(made, store, marks)
    click.echo(f"  done         {len(marks)} of {len(made.units)} units")
    if holes:
        click.echo(f"  damaged      {len(holes)} units have lost a chunk, unit {holes[0]} first")
    if len(marks) == len(made.units) and not holes:
        click.echo(f"  digest       {store_digest(marks)}")
    else:
        click.echo(f"  to finish    python -m pipelines resume --store {store}")
    for mark in marks.values():
        for each in mark.quarantined:
            click.echo(f"  quarantined  {each}")


@main.command("sample")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option(
    "--train", type=int, default=48, show_default=True, help="Scenes, or images, to train on."
)
@click.option(
    "--test", type=int, default=16, show_default=True, help="Scenes, or images, held out."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn.")
@click.option("--size", default="160x112", show_default=True, help="Pixels of a scene, landscape.")
@click.option(
    "--layout", type=click.Choice(sample.LAYOUTS), default=sample.LAYOUTS[0], show_default=True
)
def write_sample(root: Path, train: int, test: int, seed: int, size: str, layout: str) -> None:
    """Write a small synthetic dataset in a real layout: textured scenes, several annotators.

    cifar10: images of 32×32 px in ten categories, a texture each.

    \b
      python -m pipelines sample --root data/sample --train 48 --test 16
      python -m pipelines sample --root data/objects --layout coco
      python -m pipelines sample --root data/textures --layout cifar10 --train 2000 --test 500
    """
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise PipelineError("a size such as 160x112", repr(size), "correct --size")
    sample.write_sample(
        root, train=train, test=test, seed=seed, size=(int(height), int(width)), layout=layout
    )
    what = "images" if layout == sample.CIFAR else "scenes"
    click.echo(f"{train} + {test} {what} in {root}, layout {layout}")


main.add_command(download)


def _report(summary: Summary) -> int:
    click.echo(str(summary))
    return QUARANTINED if summary.quarantined else DONE


def entry(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    keep_quiet()
    try:
        status = main.main(arguments, prog_name="python -m pipelines", standalone_mode=False)
        return status or DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command, or resume, goes on from here", err=True)
        return INTERRUPTED
    except (UnitError, TargetError, SchedulerLost) as error:
        click.echo(f"Error: {error}", err=True)
        return FAILED
    except (UserError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        return USAGE


if __name__ == "__main__":
    sys.exit(entry())
