"""What usage types of the Price List meter: each recorded spelling, and what is left out on purpose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import PROPERTY

from bedrock_meter.domain import Scope
from bedrock_meter.pricerows import TIERS, TOKEN_RATES
from pricewatch import usage
from pricewatch.usage import Meter, read


def a_meter(model: str, bucket: str, scope: Scope | None = None, tier: str | None = None, **changes: bool) -> Meter:
    """Give a meter; of bedrock-runtime and the ordinary band where nothing else is said."""
    return Meter(model=model, bucket=bucket, scope=scope, tier=tier, **changes)


@pytest.mark.parametrize(
    ("usage_type", "expected"),
    [
        # AmazonBedrock: the model's short name
        ("USE1-Claude2.0-input-tokens", a_meter("claude2.0", "input")),
        ("USE1-NovaPro-output-tokens", a_meter("nova-pro", "output")),
        ("USE1-NovaPro-cache-read-input-token-count", a_meter("nova-pro", "cache_read")),
        ("USE1-NovaPro-cache-write-input-token-count", a_meter("nova-pro", "cache_write_5m")),
        ("USE1-NovaPro-input-tokens-latency-optimized", a_meter("nova-pro", "input", tier="latency")),
        ("USE1-Llama3-1-70B-LatencyOptimized-input-tokens", a_meter("llama3-1-70-b", "input", tier="latency")),
        ("USE1-Llama4-Maverick-17B-input-tokens-batch", a_meter("llama4-maverick-17-b", "input", tier="batch")),
        (
            "USE1-GPT-OSS-Safeguard-20B-input-tokens-priority",
            a_meter("gpt-oss-safeguard-20-b", "input", tier="priority"),
        ),
        ("USE1-Nova2.0Lite-input-tokens-flex", a_meter("nova2.0-lite", "input", tier="flex")),
        ("USE1-Nova2.0Lite-output-tokens-cross-region-global", a_meter("nova2.0-lite", "output", Scope.GLOBAL)),
        ("EUC1-Nova2.0Lite-input-tokens-cross-region-geo", a_meter("nova2.0-lite", "input", Scope.GEO)),
        (
            "USE1-Nova2.0Lite-input-tokens-cross-region-global-batch",
            a_meter("nova2.0-lite", "input", Scope.GLOBAL, "batch"),
        ),
        (
            "USE1-Nova2.0Pro-text-input-tokens-priority-cross-region-global",
            a_meter("nova2.0-pro", "input", Scope.GLOBAL, "priority"),
        ),
        # AmazonBedrock: the model's id, mostly at bedrock-mantle
        ("USE1-qwen.qwen3-coder-next-input-tokens", a_meter("qwen.qwen3-coder-next", "input")),
        ("USE1-zai.glm-5-mantle-input-tokens-standard", a_meter("zai.glm-5", "input", tier="default", mantle=True)),
        (
            "USW2-anthropic.claude-opus-4-8-mantle-cache-write-tokens-global-standard",
            a_meter("anthropic.claude-opus-4-8", "cache_write_5m", Scope.GLOBAL, "default", mantle=True),
        ),
        (
            "USE1-openai.gpt-5.5-mantle-cache_read-tokens-standard",
            a_meter("openai.gpt-5.5", "cache_read", tier="default", mantle=True),
        ),
        (
            "UGW1-openai.gpt-5.6-luna-mantle-cache-write-tokens-30m-long-ctx-flex",
            a_meter("openai.gpt-5.6-luna", "cache_write_5m", tier="flex", mantle=True, long=True),
        ),
        ("USE1-cohere.rerank-v3-5:0-search-units", a_meter("cohere.rerank-v3-5:0", "search_units")),
        # AmazonBedrockService
        (
            "USE1-Claude4.6Opus-cache-read-input-token-count-cross-region-global",
            a_meter("claude4.6-opus", "cache_read", Scope.GLOBAL),
        ),
        (
            "USE1-Claude4Sonnet-output-tokens-long-context-cross-region-global",
            a_meter("claude4-sonnet", "output", Scope.GLOBAL, long=True),
        ),
        # AmazonBedrockFoundationModels: both generations of names
        ("USW2-MP:USW2_InputTokenCount-Units", a_meter("", "input")),
        ("USW2-MP:USW2_OutputTokenCount_Global-Units", a_meter("", "output", Scope.GLOBAL)),
        ("USW2-MP:USW2_InputTokenCount_Global_Batch-Units", a_meter("", "input", Scope.GLOBAL, "batch")),
        ("USE1-MP:USE1_InputTokenCount_LatencyOptimized-Units", a_meter("", "input", tier="latency")),
        ("USE1-MP:USE1_InputTokenCount_LongContext-Units", a_meter("", "input", long=True)),
        ("USE1-MP:USE1_CacheReadInputTokenCount-Units", a_meter("", "cache_read")),
        ("USE1-MP:USE1_CacheWriteInputTokenCount_Global-Units", a_meter("", "cache_write_5m", Scope.GLOBAL)),
        ("USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units", a_meter("", "cache_write_1h", Scope.GLOBAL)),
        ("USE1-MP:USE1_MillionBatchInputTokens-Units", a_meter("", "input", tier="batch")),
        ("USE1-MP:USE1_input_tokens_standard-Units", a_meter("", "input", tier="default")),
        (
            "EU-MP:EU_cache_write_tokens_1h_global_standard-Units",
            a_meter("", "cache_write_1h", Scope.GLOBAL, "default"),
        ),
        (
            "USW2-MP:USW2_input_tokens_long_ctx_global_standard-Units",
            a_meter("", "input", Scope.GLOBAL, "default", long=True),
        ),
        ("USE1-MP:input_tokens_batch-Units", a_meter("", "input", tier="batch")),
        ("USE1-MP:USE1_CreatedImage-Units", a_meter("", "images")),
        # Guardrails
        ("USE1-Guardrail-ContentPolicyUnitsConsumed", a_meter("guardrail", "content_policy_units")),
        (
            "USE1-Guardrail-SensitiveInformationPolicyPaidUnitsConsumed",
            a_meter("guardrail", "sensitive_information_policy_units"),
        ),
        (
            "USE1-Guardrail-ContextualGroundingPolicyUnitsConsumed",
            a_meter("guardrail", "contextual_grounding_policy_units"),
        ),
    ],
)
def test_every_recorded_spelling_is_read(usage_type: str, expected: Meter) -> None:
    """Model, bucket, scope, tier, band and endpoint are found wherever AWS has put them."""
    assert read(usage_type) == expected


@pytest.mark.parametrize(
    ("usage_type", "reason"),
    [
        ("USE1-qwen.qwen3-coder-next-reserved-input-tpm", usage.NOT_BY_THE_CALL),
        ("APN1-reserved-1-month-input-tokens-per-minute-cross-region-global", usage.NOT_BY_THE_CALL),
        ("USE1-Claude2.0-ProvisionedThroughput-6MonthCommit-ModelUnits", usage.NOT_BY_THE_CALL),
        ("USE1-NovaPro-cache-write-input-token-count-custom-model", usage.NOT_BY_THE_CALL),
        ("USE1-NovaPro-Customization-Training", usage.NOT_BY_THE_CALL),
        ("USE1-Nova2.0Pro-input-image-token-count-cross-region-global", usage.OTHER_MODALITY),
        ("USE1-NovaSonic-speech-input-tokens", usage.OTHER_MODALITY),
        ("USE1-NovaCanvas-T2I-1024-Standard", usage.BY_SIZE),
        ("USE1-NovaReel-T2V-Seconds", usage.BY_SIZE),
        ("USE1-Nova-WebGrounding-Requests", usage.NO_MODEL_CALL),
        ("USE1-Guardrail-PalmReadingPolicyUnitsConsumed", usage.UNKNOWN),
        ("USE1-MP:USE1_CacheWrite2hInputTokenCount-Units", usage.UNKNOWN),
        ("USE1-MP:USE1_input_tokens_lunar_standard-Units", usage.UNKNOWN),
        ("USE1-NovaPro-input-tokens-flex-batch", usage.UNKNOWN),
        ("USE1-NovaPro-input-tokens-global-geo", usage.UNKNOWN),
        ("USE1-NovaPro-input-tokens-2h", usage.UNKNOWN),
        ("Requests", usage.UNKNOWN),
        ("", usage.UNKNOWN),
    ],
)
def test_what_is_not_read_has_its_reason(usage_type: str, reason: str) -> None:
    """A usage type that is not billed by the call, or not understood to its end, gives a reason and no meter."""
    assert read(usage_type) == reason


WORDS = """USE1 MP:USE1 NovaPro cache read write 1h Input Output tokens Token Count global cross-region-global batch
    flex long-ctx mantle standard Units zai.glm-5"""
words = st.lists(st.sampled_from(WORDS.split()), max_size=9)


@given(
    usage_type=st.tuples(words, st.sampled_from("-_")).map(lambda both: both[1].join(both[0])) | st.text(max_size=60)
)
@PROPERTY
def test_any_text_is_read_or_refused(usage_type: str) -> None:
    """No usage type makes the reader fail, and whatever it gives is something that a price book can hold."""
    meter = read(usage_type)
    if isinstance(meter, str):
        assert meter
    else:
        assert meter.tier is None or meter.tier in TIERS
        assert meter.bucket in {*TOKEN_RATES, *usage.BUCKETS.values(), *usage.GUARDRAIL_UNITS.values()}
