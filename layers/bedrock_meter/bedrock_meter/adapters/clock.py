"""The machine's clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """A `Clock` that tells the real time."""

    def now(self) -> datetime:
        """Give the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give a clock in seconds that only runs forward."""
        return time.perf_counter()
