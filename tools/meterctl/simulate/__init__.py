"""A local Bedrock: bedrock-runtime's wire protocol on 127.0.0.1, without an AWS account.

    with Simulator(seed=1) as bedrock:
        client = boto3.client("bedrock-runtime", endpoint_url=bedrock.url, ...)
        ...
        bedrock.ledger  # what was served: ids, status and every token bucket

It is an independent witness of what the gateway and the library measure, so it shares no code with either.

What is a table, and where a new row goes: families and application profiles (`models`), operations (`operations`),
faults (`faults`), error shapes (`answer`). The token model is in `tokens`, the prompt cache in `prompt`. `respond`
puts them together without I/O; `server` alone owns sockets.

Where it is simpler than Bedrock: signatures and keys are not checked; cache prefixes have no least length and do not
expire; only the form of a request is validated, not the limits of each model; no streams, guardrails or images yet.
"""

from meterctl.simulate.faults import FAULT_HEADER, FAULTS, Every, Fault, Script
from meterctl.simulate.ledger import Served
from meterctl.simulate.models import APPLICATION_PROFILES, FAMILIES, fault_model_id
from meterctl.simulate.server import LEDGER_PATH, Simulator

__all__ = [
    "APPLICATION_PROFILES",
    "FAMILIES",
    "FAULTS",
    "FAULT_HEADER",
    "LEDGER_PATH",
    "Every",
    "Fault",
    "Script",
    "Served",
    "Simulator",
    "fault_model_id",
]
