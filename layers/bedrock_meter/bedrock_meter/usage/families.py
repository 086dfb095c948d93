"""The table of answer bodies.

To add a family is to add a row here, a prefix in ``modelid.FAMILIES`` and a pair of files under ``tests/golden/wire``.

Sources: the model parameters in https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html, Converse in
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, and recorded answers where the two
leave a field out (the ``…TokenCount`` spelling of the cache fields, the counts in streams).
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    total=paths("usage.totalTokens"),
    stop_reason=paths("stopReason"),
    latency_ms=paths("metrics.latencyMs"),
    invoked_model=paths("trace.promptRouter.invokedModelId"),
)

NOVA = Shape(
    input=CONVERSE.input,
    output=CONVERSE.output,
    cache_read=CONVERSE.cache_read,
    cache_write=CONVERSE.cache_write,
    cache_write_1h=CONVERSE.cache_write_1h,
    stop_reason=CONVERSE.stop_reason,
)

NOVA_STREAM = Shape(
    input=paths("metadata.usage.inputTokens"),
    output=paths("metadata.usage.outputTokens"),
    cache_read=paths("metadata.usage.cacheReadInputTokens", "metadata.usage.cacheReadInputTokenCount"),
    cache_write=paths("metadata.usage.cacheWriteInputTokens", "metadata.usage.cacheWriteInputTokenCount"),
    cache_write_1h=paths("metadata.usage.cacheDetails[ttl=1h].inputTokens"),
    stop_reason=paths("messageStop.stopReason"),
)

CLAUDE = Shape(
    input=paths("usage.input_tokens"),
    output=paths("usage.output_tokens"),
    cache_read=paths("usage.cache_read_input_tokens"),
    cache_write=paths("usage.cache_creation_input_tokens"),
    cache_write_1h=paths("usage.cache_creation.ephemeral_1h_input_tokens"),
    stop_reason=paths("stop_reason"),
)

# `message_start` holds a message, `message_delta` has its usage at the top.
CLAUDE_STREAM = Shape(
    input=paths("usage.input_tokens", "message.usage.input_tokens"),
    output=paths("usage.output_tokens", "message.usage.output_tokens"),
    cache_read=paths("usage.cache_read_input_tokens", "message.usage.cache_read_input_tokens"),
    cache_write=paths("usage.cache_creation_input_tokens", "message.usage.cache_creation_input_tokens"),
    cache_write_1h=paths(
        "usage.cache_creation.ephemeral_1h_input_tokens", "message.usage.cache_creation.ephemeral_1h_input_tokens"
    ),
    stop_reason=paths("delta.stop_reason"),
)

TITAN_TEXT = Shape(
    input=paths("inputTextTokenCount"),
    output=paths("results[].tokenCount"),
    stop_reason=paths("results[].completionReason"),
)
TITAN_TEXT_STREAM = Shape(
    input=paths("inputTextTokenCount"),
    output=paths("totalOutputTextTokenCount"),
    stop_reason=paths("completionReason"),
)
TITAN_EMBEDDING = Shape(input=paths("inputTextTokenCount"))

# Every chunk of a stream has the counts so far; the prompt's stand in the first one only.
LLAMA = Shape(
    input=paths("prompt_token_count"),
    output=paths("generation_token_count"),
    stop_reason=paths("stop_reason"),
)

MISTRAL = Shape(stop_reason=paths("outputs[].stop_reason"))

COHERE = Shape(stop_reason=paths("finish_reason", "generations[].finish_reason"))

# OpenAI's Chat Completions, which most open-weight models answer with. Here the input counts cached tokens too.
CHAT = Shape(
    input=paths("usage.prompt_tokens"),
    output=paths("usage.completion_tokens"),
    cache_read=paths("usage.prompt_tokens_details.cached_tokens"),
    cache_write=paths("usage.prompt_tokens_details.cache_write_tokens"),
    total=paths("usage.total_tokens"),
    cache_in_input=True,
    stop_reason=paths("choices[].finish_reason", "choices[].stop_reason"),
)

RESPONSES = Shape(
    input=paths("usage.input_tokens"),
    output=paths("usage.output_tokens"),
    cache_read=paths("usage.input_tokens_details.cached_tokens"),
    cache_write=paths("usage.input_tokens_details.cache_write_tokens"),
    total=paths("usage.total_tokens"),
    cache_in_input=True,
    stop_reason=paths("incomplete_details.reason", "status"),
)

# The closing event (`response.completed`, `.incomplete`, `.failed`) repeats the whole response.
RESPONSES_STREAM = Shape(
    input=paths("response.usage.input_tokens"),
    output=paths("response.usage.output_tokens"),
    cache_read=paths("response.usage.input_tokens_details.cached_tokens"),
    cache_write=paths("response.usage.input_tokens_details.cache_write_tokens"),
    total=paths("response.usage.total_tokens"),
    cache_in_input=True,
    stop_reason=paths("response.incomplete_details.reason", "response.status"),
)

# ApplyGuardrail and InvokeGuardrailChecks count text units; `units.py` reads them, because their names are open.
GUARDRAIL = Shape(stop_reason=paths("action"))

IMAGES = Shape(units=(("images", paths("images[#]", "artifacts[#]")),), stop_reason=paths("finish_reasons[]"))
MARENGO = Shape(units=(("embeddings", paths("data[#]")),))
RERANK = Shape(units=(("results", paths("results[#]")),))
PEGASUS = Shape(stop_reason=paths("finishReason"))

METRICS = Shape(
    input=paths("inputTokenCount"),
    output=paths("outputTokenCount"),
    cache_read=paths("cacheReadInputTokenCount"),
    cache_write=paths("cacheWriteInputTokenCount"),
    latency_ms=paths("invocationLatency"),
)
"""``amazon-bedrock-invocationMetrics``, which Bedrock adds to the last chunk of an InvokeModel stream of any model. Its
counts are those that the headers of a buffered answer have: cached tokens are not in the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One family: its bodies, and what has to be known before a call of it is counted for certain."""

    bodies: tuple[Shape, ...] = ()
    """What a buffered InvokeModel answer may look like; the first shape that finds something is the one."""
    chunks: tuple[Shape, ...] = ()
    """The same for the JSON in each chunk of an InvokeModel stream."""
    needs: tuple[str, ...] = ("input", "output")
    """The counts without which the answer is not complete: buckets, or names of units."""


_CHAT = Row(bodies=(CHAT,), chunks=(CHAT,))
_IMAGES = Row(bodies=(IMAGES,), needs=("images",))
_COUNTED_BY_HEADERS = Row(needs=("input",))
_ASYNCHRONOUS = Row()

ROWS: Mapping[Family, Row] = MappingProxyType(
    {
        Family.CLAUDE: Row(bodies=(CLAUDE,), chunks=(CLAUDE_STREAM,)),
        Family.NOVA: Row(bodies=(NOVA,), chunks=(NOVA_STREAM,)),
        Family.NOVA_EMBEDDING: _COUNTED_BY_HEADERS,
        Family.NOVA_CANVAS: _IMAGES,
        Family.NOVA_REEL: _ASYNCHRONOUS,
        Family.TITAN_TEXT: Row(bodies=(TITAN_TEXT,), chunks=(TITAN_TEXT_STREAM,)),
        Family.TITAN_EMBEDDING: Row(bodies=(TITAN_EMBEDDING,), needs=("input",)),
        Family.TITAN_IMAGE: _IMAGES,
        Family.LLAMA: Row(bodies=(LLAMA,), chunks=(LLAMA,)),
        # The older models answer a plain prompt and count nothing; Pixtral and the newer ones answer as OpenAI does.
        Family.MISTRAL: Row(bodies=(CHAT, MISTRAL), chunks=(CHAT, MISTRAL)),
        Family.COHERE_COMMAND: Row(bodies=(COHERE,), chunks=(COHERE,)),
        Family.COHERE_EMBED: _COUNTED_BY_HEADERS,
        Family.RERANK: Row(bodies=(RERANK,), needs=("search_units",)),
        Family.AI21: _CHAT,
        # R1 streams as Llama does, V3 as OpenAI does.
        Family.DEEPSEEK: Row(bodies=(CHAT,), chunks=(CHAT, LLAMA)),
        Family.QWEN: _CHAT,
        Family.OPENAI: _CHAT,
        Family.WRITER: _CHAT,
        Family.OPEN_WEIGHT: _CHAT,
        Family.STABILITY: _IMAGES,
        Family.LUMA: _ASYNCHRONOUS,
        Family.PEGASUS: Row(bodies=(PEGASUS,), chunks=(PEGASUS,)),
        Family.MARENGO: Row(bodies=(MARENGO,), needs=("embeddings",)),
        # An application profile hides its model, an imported model answers as whoever trained it: the names of the
        # counts tell the bodies apart.
        Family.OTHER: Row(
            bodies=(CLAUDE, CHAT, NOVA, LLAMA, TITAN_TEXT),
            chunks=(CLAUDE_STREAM, CHAT, NOVA_STREAM, LLAMA, TITAN_TEXT_STREAM),
        ),
    }
)

OPERATION_ROWS: Mapping[Operation, Row] = MappingProxyType(
    {
        Operation.CONVERSE: Row(bodies=(CONVERSE,)),
        Operation.CONVERSE_STREAM: Row(bodies=(CONVERSE,), chunks=(CONVERSE,)),
        Operation.CHAT_COMPLETIONS: Row(bodies=(CHAT,), chunks=(CHAT,)),
        Operation.RESPONSES: Row(bodies=(RESPONSES,), chunks=(RESPONSES_STREAM,)),
        Operation.MESSAGES: Row(bodies=(CLAUDE,), chunks=(CLAUDE_STREAM,)),
        Operation.APPLY_GUARDRAIL: Row(bodies=(GUARDRAIL,), needs=()),
        Operation.INVOKE_GUARDRAIL_CHECKS: Row(bodies=(GUARDRAIL,), needs=()),
    }
)
"""The operations whose bodies are the same for every model."""


def row_for(operation: Operation, family: Family) -> Row:
    """Choose the row of an answer."""
    return OPERATION_ROWS.get(operation) or ROWS[family]
