"""What the simulator remembers between calls."""

import threading
import time
from collections import Counter

from meterctl.simulate.exchange import Conditions, Exchange, Request
from meterctl.simulate.faults import Script
from meterctl.simulate.invocationlog import InvocationLog
from meterctl.simulate.ledger import Ledger
from meterctl.simulate.operations import route
from meterctl.simulate.respond import request_key, respond
from meterctl.simulate.sending import Manner
from meterctl.simulate.services import Job


class Bedrock:
    """The state between calls: the prompt cache, how often each request came, the script's position, the ledger."""

    def __init__(
        self,
        *,
        seed: int,
        latency_ms: int,
        slow_ms: int,
        script: Script,
        manner: Manner,
        log: InvocationLog | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.manner = manner
        self._seed = seed
        self._latency_ms = latency_ms
        self._slow_ms = slow_ms
        self._script = script
        self._lock = threading.Lock()
        self._calls = 0
        self._repeats: Counter[bytes] = Counter()
        self._known: set[bytes] = set()
        self._jobs = dict[str, Job]()
        self._log = log

    def serve(self, request: Request) -> Exchange:
        """Answer one request and remember what it changes."""
        key = request_key(request, seed=self._seed)
        with self._lock:
            scheduled = None
            if route(request.method, request.path):
                self._calls += 1
                scheduled = self._script.fault_for(self._calls)
            conditions = Conditions(
                seed=self._seed,
                repeat=self._repeats[key],
                scheduled=scheduled,
                known=self._known,
                latency_ms=self._latency_ms,
                slow_ms=self._slow_ms,
                pace=self.manner.pace,
                data_first=self.manner.data_first,
                jobs=self._jobs,
                now=time.time(),
            )
            exchange = respond(request, conditions)
            self._repeats[key] += 1
            self._known.update(exchange.written)
            self._jobs.update({job.arn: job for job in exchange.jobs})
        if self._log is not None:
            self._log.write(request, exchange, now=conditions.now)
        return exchange
