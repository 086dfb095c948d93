"""The gateway's own failures as structured log lines, by Powertools.

Powertools is imported when there is something to log, which is hardly ever: its import costs more than the rest of the
gateway's own start (docs/decisions/0004-gateway-start-up.md). The EMF lines do not pass through it.
"""

from bedrock_meter.adapters.faultlog import told


class StructuredFaultLog:
    """A `FaultLog` that logs each kind of fault once per process; the metric ``MeterFaults`` counts every one.

    Args:
        service: The name of the deployment.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._told: set[str] = set()

    def report(self, code: str, error: BaseException | None = None) -> None:
        """Log the fault if its kind is new. Of an error only what `told` gives is logged."""
        if code in self._told:
            return
        self._told.add(code)
        from aws_lambda_powertools import Logger  # noqa: PLC0415 - see the head of this module

        Logger(service=self._service).warning("bedrock-meter fault", fault=code, error=told(error))
