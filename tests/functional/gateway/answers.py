"""An answer of Bedrock as it stands on the wire, whole and in parts, with its counts known."""

import json

from tests.functional.gateway.stub import http

from bedrock_meter.domain import Record, UsageSource

INPUT, OUTPUT = 11, 7
HEADERS = {
    "Content-Type": "application/json",
    "x-amzn-RequestId": "11111111-2222-4333-8444-555555555555",
    "X-Amzn-Bedrock-Input-Token-Count": str(INPUT),
    "X-Amzn-Bedrock-Output-Token-Count": str(OUTPUT),
}
BODY = json.dumps(
    {
        "content": [{"type": "text", "text": "canary-completion"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT},
    }
).encode()
WHOLE = http(200, HEADERS, BODY)
HALF = WHOLE[: -len(BODY) // 2]
HEAD = WHOLE[: -len(BODY)]
CHUNKED = http(200, HEADERS | {"Transfer-Encoding": "chunked"}, b"%x\r\n%s\r\n" % (len(BODY), BODY))


def has_counts(record: Record, source: UsageSource = UsageSource.HEADER) -> bool:
    """Tell whether a record has exactly the counts that the stub gave."""
    usage = record.usage
    return usage is not None and (usage.input, usage.output, usage.source) == (INPUT, OUTPUT, source)
