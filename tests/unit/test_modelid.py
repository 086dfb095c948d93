"""Model ids and ARNs: what they are taken apart into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLAUDE, CLAUDE_US, PROPERTY, REGION

from bedrock_meter.domain import Family, ModelRef, Scope
from bedrock_meter.modelid import FAMILIES, GEO_PREFIXES, family_of, parse

ARN = "arn:aws:bedrock:eu-west-1:111122223333"


@pytest.mark.parametrize(
    ("raw", "base", "family", "scope", "profile"),
    [
        (CLAUDE, CLAUDE, Family.CLAUDE, Scope.IN_REGION, None),
        ("anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8", Family.CLAUDE, Scope.IN_REGION, None),
        ("anthropic.claude-v2:0:51k", "anthropic.claude-v2:0", Family.CLAUDE, Scope.IN_REGION, None),
        ("amazon.nova-lite-v1:0:24k", "amazon.nova-lite-v1:0", Family.NOVA, Scope.IN_REGION, None),
        ("openai.gpt-5.6-sol", "openai.gpt-5.6-sol", Family.OTHER, Scope.IN_REGION, None),
        (CLAUDE_US, CLAUDE, Family.CLAUDE, Scope.GEO, CLAUDE_US),
        (f"global.{CLAUDE}", CLAUDE, Family.CLAUDE, Scope.GLOBAL, f"global.{CLAUDE}"),
        ("us-gov." + CLAUDE, CLAUDE, Family.CLAUDE, Scope.GEO, f"us-gov.{CLAUDE}"),
        ("in.moonshotai.kimi-k3", "moonshotai.kimi-k3", Family.OTHER, Scope.GEO, "in.moonshotai.kimi-k3"),
        ("apac.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", Family.NOVA, Scope.GEO, "apac.amazon.nova-pro-v1:0"),
        ("us.newcomer.model-1", "newcomer.model-1", Family.OTHER, Scope.GEO, "us.newcomer.model-1"),
        ("mars.meta.llama9", "meta.llama9", Family.LLAMA, Scope.GEO, "mars.meta.llama9"),
        ("newcomer.model-1.5", "newcomer.model-1.5", Family.OTHER, Scope.IN_REGION, None),
        ("us.nodots", "us.nodots", Family.OTHER, Scope.IN_REGION, None),
        ("gpt-4o", "gpt-4o", Family.OTHER, Scope.IN_REGION, None),
        ("", "", Family.OTHER, Scope.IN_REGION, None),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}", CLAUDE, Family.CLAUDE, Scope.IN_REGION, None),
        (f"{ARN}:inference-profile/{CLAUDE_US}", CLAUDE, Family.CLAUDE, Scope.GEO, CLAUDE_US),
        (f"{ARN}:application-inference-profile/a1b2c3d4e5f6", None, Family.OTHER, None, "a1b2c3d4e5f6"),
        (f"{ARN}:provisioned-model/a1b2c3d4e5f6", None, Family.OTHER, None, None),
        (f"{ARN}:custom-model-deployment/a1b2c3d4e5f6", None, Family.OTHER, None, None),
        (f"{ARN}:imported-model/a1b2c3d4e5f6", None, Family.OTHER, None, None),
        (f"{ARN}:prompt/A1B2C3D4E5:3", None, Family.OTHER, None, None),
        (f"{ARN}:default-prompt-router/anthropic.claude:1", None, Family.OTHER, None, None),
        ("arn:aws:sagemaker:eu-west-1:111122223333:endpoint/mine", None, Family.OTHER, None, None),
    ],
)
def test_parse(raw: str, base: str | None, family: Family, scope: Scope | None, profile: str | None) -> None:
    """Every documented form gives its parts; what only AWS can resolve stays opaque."""
    region = "eu-west-1" if raw.startswith(ARN) or "sagemaker" in raw else REGION
    assert parse(raw, REGION) == ModelRef(
        raw=raw, base=base, family=family, scope=scope, region=region, profile=profile
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (CLAUDE, CLAUDE),
        (CLAUDE_US, CLAUDE_US),
        (f"{ARN}:inference-profile/{CLAUDE_US}", CLAUDE_US),
        (f"{ARN}:application-inference-profile/a1b2c3d4e5f6", "a1b2c3d4e5f6"),
        (f"{ARN}:provisioned-model/a1b2c3d4e5f6", f"{ARN}:provisioned-model/a1b2c3d4e5f6"),
    ],
)
def test_the_id_that_metrics_show(raw: str, shown: str) -> None:
    """The profile if one was called, else the foundation model, else what the caller sent."""
    assert parse(raw, REGION).id == shown


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("amazon.nova-micro-v1:0", Family.NOVA),
        ("amazon.nova-canvas-v1:0", Family.OTHER),
        ("amazon.nova-sonic-v1:0", Family.OTHER),
        ("amazon.nova-2-multimodal-embeddings-v1:0", Family.OTHER),
        ("amazon.titan-text-premier-v1:0", Family.TITAN_TEXT),
        ("amazon.titan-tg1-large", Family.TITAN_TEXT),
        ("amazon.titan-embed-text-v2:0", Family.OTHER),
        ("meta.llama3-8b-instruct-v1:0", Family.LLAMA),
        ("mistral.mistral-large-2407-v1:0", Family.OTHER),
        ("cohere.command-r-v1:0", Family.OTHER),
        ("ANTHROPIC.CLAUDE", Family.OTHER),
    ],
)
def test_family(base: str, family: Family) -> None:
    """Only text models whose body is known have a family; their siblings have none."""
    assert family_of(base) is family


def test_no_row_of_the_family_table_is_dead() -> None:
    """A row that an earlier row hides would never count."""
    for number, (prefix, family) in enumerate(FAMILIES):
        assert not any(prefix.startswith(earlier) for earlier, _ in FAMILIES[:number])
        assert family_of(prefix) is family


@given(
    raw=st.text()
    | st.from_regex(r"arn:aws:bedrock:[a-z0-9-]*:\d*:[a-z-]*/.*")
    | st.builds(".".join, st.lists(st.sampled_from([*GEO_PREFIXES, "global", "anthropic", "claude-3", "", "x"])))
)
@PROPERTY
def test_any_string_gives_a_model(raw: str) -> None:
    """Nothing raises; the raw id is kept, and a profile always names the model behind it or is opaque."""
    model = parse(raw, REGION)
    assert model.raw == raw
    assert isinstance(model.id, str)
    assert (model.scope is None) == (model.base is None)
    if model.base is not None and model.profile is not None:
        assert model.profile.endswith(f".{model.base}")
        assert model.scope in {Scope.GEO, Scope.GLOBAL}
