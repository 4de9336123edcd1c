"""Errors that a user can correct: what was expected, what was found, what to do next."""


class UserError(Exception):
    """Error whose cause lies in the input or the request, not in the code.

    A command line prints it as one sentence; a program can read its three parts. It can be pickled:
    its arguments are its parts.
    """

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(expected, found, remedy)
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; {self.remedy}"


class PipelineError(UserError):
    """Error on the way from raw files to a store."""


class BadInput(PipelineError):
    """Error of a raw item, unreadable or inconsistent: it is quarantined, the rest goes on."""


class StoreError(PipelineError):
    """Error of a store that is missing, foreign, of another version, unfinished, or damaged."""


class TargetError(PipelineError):
    """Error of a store's place that cannot be written: full disk, no permission. No retry helps."""
