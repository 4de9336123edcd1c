"""The errors of `workbench` that a user can mend, of one family with those of `pipelines`."""

from pipelines.errors import UserError


class WorkbenchError(UserError):
    """A problem with a store, weights, a run, features or options."""
