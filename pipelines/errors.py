"""The errors that a user can mend: what was expected, what came, what to do next."""


class PipelineError(Exception):
    """A problem in the input or the request; the command line prints it as one sentence."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"expected {expected}, found {found}; {remedy}")
        self.expected = expected
        self.found = found
        self.remedy = remedy


class BadInput(PipelineError):
    """One raw item is unreadable or inconsistent: it is quarantined and the rest goes on."""
