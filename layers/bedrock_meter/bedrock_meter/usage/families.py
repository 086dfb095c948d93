"""The table of answer bodies. To add a family is to add a row here and a pair of files under ``tests/golden/wire``.

Sources: the model parameters in https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html, Converse in
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, and recorded answers where the two
leave a field out (the ``…TokenCount`` spelling of the cache fields).
"""

from collections.abc import Mapping
from types import MappingProxyType

from bedrock_meter.domain import Family, Operation
from bedrock_meter.usage.shape import Shape, paths

# Converse and Nova's own body name their counts alike. Both spellings of the cache fields occur, sometimes side by side
# with the same number; they are alternatives and must never be added.
CONVERSE = Shape(
    input=paths("usage.inputTokens"),
    output=paths("usage.outputTokens"),
    cache_read=paths("usage.cacheReadInputTokens", "usage.cacheReadInputTokenCount"),
    cache_write=paths("usage.cacheWriteInputTokens", "usage.cacheWriteInputTokenCount"),
    cache_write_1h=paths("usage.cacheDetails[ttl=1h].inputTokens"),
    stop_reason=paths("stopReason"),
    latency_ms=paths("metrics.latencyMs"),
)

CLAUDE = Shape(
    input=paths("usage.input_tokens"),
    output=paths("usage.output_tokens"),
    cache_read=paths("usage.cache_read_input_tokens"),
    cache_write=paths("usage.cache_creation_input_tokens"),
    cache_write_1h=paths("usage.cache_creation.ephemeral_1h_input_tokens"),
    stop_reason=paths("stop_reason"),
)

TITAN_TEXT = Shape(
    input=paths("inputTextTokenCount"),
    output=paths("results[].tokenCount"),
    stop_reason=paths("results[].completionReason"),
)

LLAMA = Shape(
    input=paths("prompt_token_count"),
    output=paths("generation_token_count"),
    stop_reason=paths("stop_reason"),
)

UNKNOWN = Shape()
"""Nothing is read from a body that nobody described; Bedrock's headers still count it."""

INVOKE_SHAPES: Mapping[Family, Shape] = MappingProxyType(
    {Family.CLAUDE: CLAUDE, Family.NOVA: CONVERSE, Family.TITAN_TEXT: TITAN_TEXT, Family.LLAMA: LLAMA}
)


def shape_for(operation: Operation, family: Family) -> Shape:
    """Choose the row for an answer."""
    if operation is Operation.CONVERSE:
        return CONVERSE
    if operation is Operation.INVOKE_MODEL:
        return INVOKE_SHAPES.get(family, UNKNOWN)
    return UNKNOWN
