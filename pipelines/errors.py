"""The errors that a user can mend: what was expected, what came, what to do next."""


class PipelineError(Exception):
    """A problem in the input or the request; the command line prints it as one sentence.

    It travels from a worker as it is: its arguments are its three parts.
    """

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(expected, found, remedy)
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; {self.remedy}"


class BadInput(PipelineError):
    """One raw item is unreadable or inconsistent: it is quarantined and the rest goes on."""
