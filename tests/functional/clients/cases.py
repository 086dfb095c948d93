"""What is expected of each case of the client scripts, by client."""

from collections.abc import Mapping

CONVERSE, CONVERSE_STREAM = "Converse", "ConverseStream"
INVOKE, INVOKE_STREAM = "InvokeModel", "InvokeModelWithResponseStream"
CHAT, RESPONSES, MESSAGES = "ChatCompletions", "Responses", "Messages"

# The operation of each case that gets an answer, by client.
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "boto3": {
        "invoke_model": INVOKE,
        "invoke_model_embedding": INVOKE,
        "invoke_model_with_response_stream": INVOKE_STREAM,
        "invoke_stream_llama": INVOKE_STREAM,
        "invoke_stream_jamba": INVOKE_STREAM,
        "converse": CONVERSE,
        "converse_cached": CONVERSE,
        "converse_by_arn": CONVERSE,
        "converse_stream": CONVERSE_STREAM,
    },
    "anthropic": {
        "bedrock_create": INVOKE,
        "bedrock_create_by_arn": INVOKE,
        "bedrock_raw_stream": INVOKE_STREAM,
        "bedrock_stream": INVOKE_STREAM,
        "messages_create": MESSAGES,
        "messages_raw_stream": MESSAGES,
        "messages_stream": MESSAGES,
    },
    "openai": {
        "chat": CHAT,
        "chat_cached": CHAT,
        "chat_gpt_oss": CHAT,
        "chat_stream": CHAT,
        "chat_stream_that_declines": CHAT,
        "chat_stream_with_usage": CHAT,
        "responses": RESPONSES,
        "responses_stream": RESPONSES,
        "responses_stream_cut": RESPONSES,
    },
    "langchain": {
        "converse": CONVERSE,
        "converse_stream": CONVERSE_STREAM,
        "converse_stream_claude": CONVERSE_STREAM,
        "invoke": INVOKE,
        "invoke_stream": INVOKE_STREAM,
    },
    "litellm": {
        "converse": CONVERSE,
        "converse_stream": CONVERSE_STREAM,
        "invoke": INVOKE,
        "invoke_stream": INVOKE_STREAM,
    },
}

# The SDK's own exception for each case that gets an error, and how many requests it sends.
ERRORS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "boto3": {
        "throttled": ("ThrottlingException", 1),
        "throttled_and_tried_again": ("ThrottlingException", 3),
        "throttled_before_the_stream": ("ThrottlingException", 1),
        "invalid": ("ValidationException", 1),
        "access_denied": ("AccessDeniedException", 1),
    },
    "anthropic": {
        "bedrock_throttled": ("RateLimitError", 1),
        "bedrock_throttled_and_tried_again": ("RateLimitError", 3),
        "bedrock_invalid": ("BadRequestError", 1),
        "bedrock_access_denied": ("PermissionDeniedError", 1),
        "messages_throttled": ("RateLimitError", 1),
        "messages_invalid": ("BadRequestError", 1),
    },
    "openai": {
        "chat_throttled": ("RateLimitError", 1),
        "chat_throttled_and_tried_again": ("RateLimitError", 3),
        "chat_throttled_before_the_stream": ("RateLimitError", 1),
        "chat_invalid": ("BadRequestError", 1),
        "responses_throttled": ("RateLimitError", 1),
    },
    "langchain": {"throttled": ("ThrottlingException", 1), "invalid": ("ValidationException", 1)},
    "litellm": {
        "throttled": ("RateLimitError", 1),
        "throttled_on_invoke": ("RateLimitError", 1),
        "invalid": ("BadRequestError", 1),
    },
}
# What Bedrock says, and the class of the record.
REFUSALS = {
    "ThrottlingException": ("Too many requests", "throttled"),
    "ValidationException": ("model", "client_error"),
    "AccessDeniedException": ("You don't have access to the model", "client_error"),
}

# The SDK's own exception where the stream has begun. It is no rate limit error: the status is 200.
BROKEN_STREAMS: Mapping[str, Mapping[str, str]] = {
    "boto3": {"throttled_in_the_stream": "EventStreamError"},
    "anthropic": {
        "bedrock_throttled_in_the_stream": "APIStatusError",
        "messages_throttled_in_the_stream": "APIStatusError",
    },
    "openai": {"chat_throttled_in_the_stream": "APIError"},
    "langchain": {"throttled_in_the_stream": "EventStreamError"},
    "litellm": {"throttled_in_the_stream": "MidStreamFallbackError"},
}

# The operation of each case whose application leaves a stream after the first piece.
LEFT: Mapping[str, Mapping[str, str]] = {
    "boto3": {"left": CONVERSE_STREAM},
    "anthropic": {"bedrock_left": INVOKE_STREAM, "messages_left": MESSAGES},
    "openai": {"chat_left": CHAT, "responses_left": RESPONSES},
}

# The cases that bill no tokens, each with a test of its own.
SERVICES = {"boto3": {"count_tokens", "apply_guardrail", "invoke_guardrail_checks", "async_invoke"}}

# The cases whose client is told no counts, because it did not ask for them.
NOT_TOLD = {("openai", "chat_stream"), ("openai", "chat_stream_that_declines")}
