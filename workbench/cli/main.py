"""The `workbench` command, and how its errors reach the user: one sentence and an exit status."""

import sys
from collections.abc import Sequence

import click

from pipelines.errors import PipelineError
from workbench import __version__
from workbench.cli.demo import demo
from workbench.cli.evaluate import evaluate
from workbench.cli.lab import lab
from workbench.cli.report import report
from workbench.cli.train import train
from workbench.errors import WorkbenchError

EPILOG = """
\b
Exit status: 0 done · 2 bad input or request (one sentence says what to do) ·
130 interrupted (a run keeps its checkpoint: add --resume).
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def workbench() -> None:
    """Deep networks with structured layers: train them, measure them, look at their spectra.

    \b
    The usual way, after `python -m pipelines run bsds …` has made a store:
      workbench train deep-ncuts --store stores/bsds.zarr --run runs/first
      workbench evaluate runs/first --split test
      workbench report runs/first
    Or all of it on synthetic scenes:
      workbench demo

    WORKBENCH_DATA may name a folder with BSDS500/, coco2017/ and weights/.
    """


for command in (train, evaluate, report, demo, lab):
    workbench.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors that a user can mend are one sentence on stderr."""
    try:
        workbench.main(arguments, prog_name="workbench", standalone_mode=False)
    except (WorkbenchError, PipelineError) as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
