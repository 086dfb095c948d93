"""A local Bedrock: bedrock-runtime's wire protocol on 127.0.0.1, without an AWS account.

    with Simulator(seed=1) as bedrock:
        client = boto3.client("bedrock-runtime", endpoint_url=bedrock.url, ...)
        ...
        bedrock.ledger  # what was served: ids, status and every token bucket

It is an independent witness of what the gateway and the library measure, so it shares no code with either.

What is a table, and where a new row goes: families (`families`), resources that stand for a model (`models`),
operations (`operations`), faults (`faults`), error shapes (`answer`). The token model is in `tokens`, the prompt cache
in `prompt`, the timing of streams in `pace`. `respond` puts them together without I/O; `server` and `sending` alone own
sockets.

Where it is simpler than Bedrock: signatures and keys are not checked; cache prefixes have no least length and do not
expire; only the form of a request is validated, not the limits of each model; a guardrail is seen only where one
blocks; there are no bidirectional streams; images and vectors are a few drawn bytes. No shape was compared with an AWS
account. Where no recording of a chunk is known (Cohere, Writer, Qwen, gpt-oss, DeepSeek V3, TwelveLabs), it follows the
family's whole answer. Not known from any recording either: the error shapes of the OpenAI and Anthropic routes, and
what is billed of a stream that ends in an error (here the input and what was said).
"""

from meterctl.simulate.accountmetrics import put_requests
from meterctl.simulate.families import FAMILIES
from meterctl.simulate.faults import FAULT_HEADER, FAULTS, Every, Fault, Script
from meterctl.simulate.invocationlog import InvocationLog
from meterctl.simulate.ledger import Served
from meterctl.simulate.models import APPLICATION_PROFILES, OPAQUE, fault_model_id
from meterctl.simulate.server import LEDGER_PATH, Simulator

__all__ = [
    "APPLICATION_PROFILES",
    "FAMILIES",
    "FAULTS",
    "FAULT_HEADER",
    "LEDGER_PATH",
    "OPAQUE",
    "Every",
    "Fault",
    "InvocationLog",
    "Script",
    "Served",
    "Simulator",
    "fault_model_id",
    "put_requests",
]
