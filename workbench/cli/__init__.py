"""The command line: `workbench train | evaluate | report | demo | lab`."""

from workbench.cli.main import main

__all__ = ["main"]
