"""`python -m pipelines`: plan, run, resume, verify, status, sample.

Exit status: 0 all is well; 1 units failed, or a store is damaged or unfinished; 2 the request or
the input cannot be used, in one sentence; 3 complete, but with scenes quarantined; 130 interrupted,
to be resumed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines import jobs
from pipelines.errors import PipelineError
from pipelines.execute import Summary, UnitError, store_digest
from pipelines.ledger import Ledger
from pipelines.plan import DEFAULT_UNIT
from pipelines.sources import bsds, sample
from pipelines.store import read_attributes
from pipelines.verify import verify as verify_store

DONE, DAMAGED, USAGE, QUARANTINED, INTERRUPTED = 0, 1, 2, 3, 130

Command = Callable[..., Any]


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several click options as one decorator, in the order in which help shows them."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


DATASET = options(
    click.argument("kind", type=click.Choice(sorted(jobs.PLANNERS))),
    click.option(
        "--root",
        type=click.Path(path_type=Path),
        help=f"The dataset's folder; default: {jobs.DATA_VARIABLE}, a folder with BSDS500/.",
    ),
    click.option(
        "--protocol",
        type=click.Choice(sorted(bsds.PROTOCOLS)),
        default="bsds300",
        show_default=True,
        help="bsds300: its 200 train and 100 test images, which are BSDS500's train and val. "
        "bsds500: train, val and test as BSDS500 has them.",
    ),
    click.option(
        "--unit", type=int, default=DEFAULT_UNIT, show_default=True, help="Scenes a task."
    ),
)
STORE = click.option(
    "--store", type=click.Path(path_type=Path), required=True, help="The store's folder."
)
CLUSTER = options(
    click.option("--workers", type=int, help="Local worker processes; default: the cores."),
    click.option("--memory-limit", default="auto", help="Of each local worker, as in 2GiB."),
    click.option("--scheduler", help="Address of a running Dask scheduler: tcp://host:8786."),
)


@click.group(epilog="Each command has its own --help, with examples.")
def main() -> None:
    """Raw datasets to zarr stores, on Dask; interrupted at any point, resumed by the same command.

    \b
      python -m pipelines sample --root data/sample
      python -m pipelines run bsds --root data/sample --store stores/sample.zarr
      python -m pipelines verify --store stores/sample.zarr
    """


@main.command()
@DATASET
def plan(kind: str, root: Path | None, protocol: str, unit: int) -> None:
    """Say what a run would read and write, and write nothing.

    \b
      python -m pipelines plan bsds --root BSDS500
    """
    click.echo(jobs.plan(kind, root, protocol=protocol, unit=unit).describe())


@main.command()
@DATASET
@STORE
@CLUSTER
@click.option("--overwrite", is_flag=True, help="Replace a store of another plan.")
def run(**arguments: Any) -> int:
    """Write a dataset's store, or finish it where an earlier run stopped.

    \b
      python -m pipelines run bsds --root BSDS500 --store stores/bsds.zarr
      python -m pipelines run bsds --root BSDS300 --store stores/bsds.zarr --workers 2
    """
    return _report(jobs.run(**arguments))


@main.command()
@STORE
@click.option(
    "--root", type=click.Path(path_type=Path), help="Where the dataset lies, if it was moved."
)
@click.option("--redo", type=int, multiple=True, help="A unit to write again; may be repeated.")
@CLUSTER
def resume(**arguments: Any) -> int:
    """Finish a store by its own plan; with --redo, mend the units that verify names.

    \b
      python -m pipelines resume --store stores/bsds.zarr
      python -m pipelines resume --store stores/bsds.zarr --redo 3 --redo 7
    """
    return _report(jobs.resume(**arguments))


@main.command()
@STORE
def verify(store: Path) -> int:
    """Read all of a store again and compare it with what was written."""
    result = verify_store(store)
    click.echo(str(result))
    return DONE if result.ok else DAMAGED


@main.command()
@STORE
def status(store: Path) -> None:
    """Say how far a store is, and what was quarantined."""
    read_attributes(store)
    ledger = Ledger(store)
    made, marks = ledger.plan(), ledger.marks()
    click.echo(made.describe())
    click.echo(f"  done         {len(marks)} of {len(made.units)} units")
    if len(marks) == len(made.units):
        click.echo(f"  digest       {store_digest(marks)}")
    else:
        click.echo(f"  to finish    python -m pipelines resume --store {store}")
    for mark in marks.values():
        for each in mark.quarantined:
            click.echo(f"  quarantined  {each}")


@main.command("sample")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--train", type=int, default=48, show_default=True, help="Scenes to train on.")
@click.option("--test", type=int, default=16, show_default=True, help="Scenes held out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn.")
@click.option("--size", default="160x112", show_default=True, help="Pixels, landscape.")
@click.option(
    "--layout", type=click.Choice(sample.LAYOUTS), default=sample.LAYOUTS[0], show_default=True
)
def write_sample(root: Path, train: int, test: int, seed: int, size: str, layout: str) -> None:
    """Write a small synthetic dataset in a real layout: textured scenes, several annotators.

    \b
      python -m pipelines sample --root data/sample --train 48 --test 16
    """
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise PipelineError("a size such as 160x112", repr(size), "correct --size")
    sample.write_sample(
        root, train=train, test=test, seed=seed, size=(int(height), int(width)), layout=layout
    )
    click.echo(f"{train} + {test} scenes in {root}, layout {layout}")


def _report(summary: Summary) -> int:
    click.echo(str(summary))
    return QUARANTINED if summary.quarantined else DONE


def entry(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    try:
        status = main.main(arguments, prog_name="python -m pipelines", standalone_mode=False)
        return status or DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command, or resume, goes on from here", err=True)
        return INTERRUPTED
    except UnitError as error:
        click.echo(f"Error: {error}", err=True)
        return DAMAGED
    except (PipelineError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        return USAGE


if __name__ == "__main__":
    sys.exit(entry())
