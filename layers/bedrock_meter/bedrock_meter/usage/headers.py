"""The token counts that Bedrock puts on every buffered InvokeModel answer, whatever the model.

They are what Bedrock bills by, so they win over the body. The input count excludes cached tokens.
"""

from collections.abc import Mapping

from bedrock_meter.usage.counts import Counts, read_count

INPUT = "x-amzn-bedrock-input-token-count"
OUTPUT = "x-amzn-bedrock-output-token-count"
CACHE_READ = "x-amzn-bedrock-cache-read-input-token-count"
CACHE_WRITE = "x-amzn-bedrock-cache-write-input-token-count"
LATENCY = "x-amzn-bedrock-invocation-latency"
TIER_SERVED = "x-amzn-bedrock-service-tier"
LATENCY_SERVED = "x-amzn-bedrock-performanceconfig-latency"
REQUEST_ID = "x-amzn-requestid"
ERROR_TYPE = "x-amzn-errortype"

_FIELDS = (("input", INPUT), ("output", OUTPUT), ("cache_read", CACHE_READ), ("cache_write", CACHE_WRITE))


def counts(headers: Mapping[str, str]) -> tuple[Counts, list[str]]:
    """Read the token headers.

    Args:
        headers: The answer's headers with lower-case names.

    Returns:
        The counts, and a fault for each header that is there but is no count.
    """
    found, faults = Counts(), []
    for name, header in _FIELDS:
        if (value := headers.get(header)) is not None:
            try:
                setattr(found, name, read_count(value))
            except ValueError:
                faults.append(f"header_{name}_not_a_count")
    return found, faults


def latency_ms(headers: Mapping[str, str]) -> int | None:
    """Read Bedrock's own latency in milliseconds; None when it is absent or no number."""
    try:
        return read_count(headers.get(LATENCY))
    except ValueError:
        return None


def error_code(headers: Mapping[str, str]) -> str | None:
    """Read the AWS exception name: the text before the first colon of ``x-amzn-ErrorType``."""
    code = headers.get(ERROR_TYPE, "").partition(":")[0].strip()
    return code if code.isidentifier() and len(code) <= 128 else None  # noqa: PLR2004 - longer than any AWS name
