"""How long an answer can become: the caller's own bound, else what the model can write at most."""

from bedrock_meter.domain import Call, Family

# What a model writes at most when the request does not bound it, by the beginning of its id; the first that
# fits counts.
# From the models' pages under https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and
# https://docs.claude.com/en/docs/about-claude/models/overview. A model that is not here has the deployment's default.
_MOST: tuple[tuple[str, int], ...] = (
    ("anthropic.claude-3-7", 131_072),
    ("anthropic.claude-3-5", 8_192),
    ("anthropic.claude-3", 4_096),
    ("anthropic.claude-instant", 4_096),
    ("anthropic.claude-v2", 4_096),
    ("anthropic.claude-opus-4-20250514", 32_000),
    ("anthropic.claude-opus-4-1-", 32_000),
    ("anthropic.claude-opus-4-5-", 64_000),
    ("anthropic.claude-sonnet-4-20250514", 64_000),
    ("anthropic.claude-sonnet-4-5-", 64_000),
    ("anthropic.claude-haiku-4-5-", 64_000),
    ("amazon.nova-micro-v1", 10_000),
    ("amazon.nova-lite-v1", 10_000),
    ("amazon.nova-pro-v1", 10_000),
    ("amazon.nova-premier-v1", 32_000),
    ("amazon.titan-text-express", 8_192),
    ("amazon.titan-text-lite", 4_096),
    ("amazon.titan-text-premier", 3_072),
    ("meta.llama4", 8_192),
    ("meta.llama3-3", 8_192),
    ("meta.llama3-", 8_192),
)

_WRITE_NOTHING = frozenset(
    {Family.TITAN_EMBEDDING, Family.NOVA_EMBEDDING, Family.COHERE_EMBED, Family.MARENGO, Family.RERANK}
    | {Family.TITAN_IMAGE, Family.NOVA_CANVAS, Family.NOVA_REEL, Family.STABILITY, Family.LUMA}
)
"""Families whose answers are no text."""


def output_bound(call: Call, default: int) -> int:
    """Give the output tokens that a call does not pass.

    Args:
        call: The call.
        default: What counts for a model whose maximum is not known here.
    """
    model = call.model
    if model is None or model.family in _WRITE_NOTHING:
        return 0
    if call.max_output_tokens is not None:
        return call.max_output_tokens
    base = model.base or ""
    return next((most for beginning, most in _MOST if base.startswith(beginning)), default)
