"""The meter's own failures, told to a person once per kind."""

import logging

_logger = logging.getLogger("bedrock_meter")


class OnceLog:
    """A `FaultLog` that logs each kind of fault once per process; the metric ``MeterFaults`` counts every one.

    Only the type of an error is logged, never its text: a parser's message may quote what it could not parse.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Log the fault if its kind is new."""
        if code not in self._told:
            self._told.add(code)
            _logger.warning("bedrock-meter fault %s (%s)", code, type(error).__name__ if error else "no exception")
