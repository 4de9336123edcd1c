"""Packages that only some clusters need."""

from importlib import import_module
from types import ModuleType

from pipelines.errors import PipelineError


def optional(module: str, distribution: str, extra: str) -> ModuleType:
    """A module of a package that an extra of ours installs.

    Raises:
        PipelineError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise PipelineError(
            f"{distribution} to be installed",
            f"no module {error.name}",
            f"pip install 'structured-layers-workbench[{extra}]'",
        ) from error
