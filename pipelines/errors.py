"""Errors that a user can correct: what was expected, what was found, what to do next."""


class UserError(Exception):
    """A problem whose cause lies in the input or the request, not in the code.

    A command line prints it as one sentence; a program can read its three parts. It travels
    between processes as it is: its arguments are its parts.
    """

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(expected, found, remedy)
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; {self.remedy}"


class PipelineError(UserError):
    """A problem on the way from raw files to a store."""


class BadInput(PipelineError):
    """One raw item is unreadable or inconsistent: it is quarantined and the rest goes on."""


class StoreError(PipelineError):
    """A store that is missing, foreign, of another version, unfinished, or damaged."""


class TargetError(PipelineError):
    """The place of the store cannot be written: a full disk, no permission. Retrying is no use."""
