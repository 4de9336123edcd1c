"""The one family of errors that a user can mend: what was expected, what came, what to do next."""


class WorkbenchError(Exception):
    """A problem whose cause lies in the input or the request, not in the code.

    The command line prints it as one sentence and exits with status 2; a program can read its
    three parts.
    """

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"expected {expected}, found {found}; {remedy}")
        self.expected = expected
        self.found = found
        self.remedy = remedy
