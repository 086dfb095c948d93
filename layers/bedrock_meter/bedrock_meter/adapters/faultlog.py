"""The meter's own failures, told to a person once per kind."""

import logging

from bedrock_meter.errors import PriceBookError, RegistryError

_logger = logging.getLogger("bedrock_meter")


class OnceLog:
    """A `FaultLog` that logs each kind of fault once per process; the metric ``MeterFaults`` counts every one.

    Only the type of an error is logged, not its text: a parser's message may quote what it could not parse. The errors
    of a price book and of the registry are the exceptions; they hold no content of a call.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Log the fault if its kind is new."""
        if code not in self._told:
            self._told.add(code)
            _logger.warning("bedrock-meter fault %s (%s)", code, told(error) or "no exception")


def told(error: BaseException | None) -> str | None:
    """Give what may be logged of an error: its type, and of a wrong price book or registry where it is wrong."""
    if isinstance(error, PriceBookError | RegistryError):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__ if error else None
