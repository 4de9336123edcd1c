"""A filter for what libraries log when Ctrl-C interrupts them: the user reads one sentence."""

import logging


class OfUnbegunCalls(logging.Filter):
    """Drops what tornado logs when `distributed.utils.sync` is interrupted before it has begun.

    Its callback then asks for a future that was never made, and a NameError of distributed's own
    goes to stderr (distributed 2026.8, `sync.<locals>.cancel`). There is nothing to cancel.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is anything else."""
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, NameError) and error.name == "future")


def keep_quiet() -> None:
    """Install the filter; once, however often it is asked for."""
    logger = logging.getLogger("tornado.application")
    if not any(isinstance(each, OfUnbegunCalls) for each in logger.filters):
        logger.addFilter(OfUnbegunCalls())
