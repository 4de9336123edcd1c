"""The `workbench` command, and how its errors reach the user: one sentence and an exit status."""

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from pipelines.errors import UserError
from workbench.version import __version__

COMMANDS = (
    "train", "tune", "evaluate", "cuts", "ranks", "report", "table1", "table2", "segment", "probe",
    "geometry", "invariance", "invert", "hashing", "role-of-training", "compressed", "export",
    "bench", "demo", "lab",
)  # fmt: skip
"""Names of the commands; each is a module of this package with a command of the same name, where a
dash is an underscore."""

EPILOG = """
\b
Exit status: 0 done · 2 bad input or request (one sentence says what to do) ·
130 interrupted (a run keeps its checkpoint: add --resume).
"""


class Commands(click.Group):
    """Commands, each imported when it is asked for: torch and Dask take seconds to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Command of that name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"workbench.cli.{name}"), name)
        return command


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors that a user can correct are one sentence on stderr."""
    try:
        status = workbench.main(arguments, prog_name="workbench", standalone_mode=False)
    except UserError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        status = 2
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        status = 130
    sys.exit(status)
