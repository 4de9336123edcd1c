"""Filter of the messages that libraries log when Ctrl-C interrupts them: one sentence is enough."""

import logging


class OfUnbegunCalls(logging.Filter):
    """Filter of tornado's message when `distributed.utils.sync` is interrupted before its start.

    Its callback then uses a future that was never made, and a NameError of distributed's own goes
    to stderr (distributed 2026.8, `sync.<locals>.cancel`). There is nothing to cancel.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is another message, which is kept."""
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, NameError) and error.name == "future")


def keep_quiet() -> None:
    """Install the filter, once."""
    logger = logging.getLogger("tornado.application")
    if not any(isinstance(each, OfUnbegunCalls) for each in logger.filters):
        logger.addFilter(OfUnbegunCalls())
