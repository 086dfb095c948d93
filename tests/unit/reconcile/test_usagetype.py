"""Usage types of the bill, as AWS's price list has them."""

import pytest

from meterctl.prices import models
from meterctl.reconcile.usagetype import Kind, kind, matcher, model_id, model_name

IDS = matcher(model.id for model in models.load())


@pytest.mark.parametrize(
    ("usage_type", "expected"),
    [
        ("USE1-NovaLite-input-tokens", Kind.INPUT),
        ("USE1-Nova2.0Lite-output-tokens-cross-region-global-batch", Kind.OUTPUT),
        ("USE1-Claude4.6Opus-cache-read-input-token-count-cross-region-global", Kind.CACHE_READ),
        ("USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units", Kind.CACHE_WRITE),
        ("USW2-MP:USW2_InputTokenCount_Global_Batch-Units", Kind.INPUT),
        ("USW2-MP:USW2_input_tokens_long_ctx_global_standard-Units", Kind.INPUT),
        ("USE1-openai.gpt-oss-120b-mantle-cache-write-tokens-30m-flex", Kind.CACHE_WRITE),
        ("USE1-cohere.rerank-english-v3-search-units", Kind.OTHER),
        ("USE1-Guardrail-ContentPolicyUnitsConsumed", Kind.OTHER),
    ],
)
def test_kinds(usage_type: str, expected: Kind) -> None:
    """A usage type says which tokens it counts; a cache kind before the input that it is a part of."""
    assert kind(usage_type) is expected


@pytest.mark.parametrize(
    ("usage_type", "product", "expected"),
    [
        ("USE1-NovaLite-input-tokens", "Amazon Bedrock", "amazon.nova-lite-v1:0"),
        ("USE1-Nova2.0Lite-input-tokens-cross-region-global", "Amazon Bedrock", "amazon.nova-2-lite-v1:0"),
        ("USE1-Llama3-3-70B-output-tokens", "Amazon Bedrock", "meta.llama3-3-70b-instruct-v1:0"),
        ("USE1-Claude3Haiku-input-tokens", "Amazon Bedrock", "anthropic.claude-3-haiku-20240307-v1:0"),
        (
            "USW2-MP:USW2_InputTokenCount-Units",
            "Claude Sonnet 4.5 (Amazon Bedrock Edition)",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("USE1-openai.gpt-oss-120b-mantle-input-tokens-standard", "Amazon Bedrock", "openai.gpt-oss-120b-1:0"),
    ],
)
def test_models(usage_type: str, product: str, expected: str) -> None:
    """The bill's name of a model leads to its id."""
    assert model_id(model_name(usage_type, product), IDS) == expected


def test_an_unknown_model_keeps_the_name_of_the_bill() -> None:
    """Nothing is guessed: a name that fits no id stays what it is."""
    assert model_id(model_name("USE1-Zephyr9Ultra-input-tokens", "Amazon Bedrock"), IDS) == "Zephyr9Ultra"
    assert model_id(model_name("USE1-Guardrail-ContentPolicyUnitsConsumed", ""), IDS).startswith("Guardrail")
