"""Model ids and ARNs: what they are taken apart into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import CLAUDE, CLAUDE_US, PROPERTY, REGION

from bedrock_meter.domain import Family, ModelKind, ModelRef, Scope
from bedrock_meter.modelid import FAMILIES, GEO_PREFIXES, KINDS, PROVIDERS, family_of, parse, resolve

ARN = "arn:aws:bedrock:eu-west-1:111122223333"


@pytest.mark.parametrize(
    ("raw", "base", "family", "scope", "profile"),
    [
        (CLAUDE, CLAUDE, Family.CLAUDE, Scope.IN_REGION, None),
        ("anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8", Family.CLAUDE, Scope.IN_REGION, None),
        ("anthropic.claude-v2:0:51k", "anthropic.claude-v2:0", Family.CLAUDE, Scope.IN_REGION, None),
        ("amazon.nova-lite-v1:0:24k", "amazon.nova-lite-v1:0", Family.NOVA, Scope.IN_REGION, None),
        ("openai.gpt-5.6-sol", "openai.gpt-5.6-sol", Family.OPENAI, Scope.IN_REGION, None),
        (CLAUDE_US, CLAUDE, Family.CLAUDE, Scope.GEO, CLAUDE_US),
        (f"global.{CLAUDE}", CLAUDE, Family.CLAUDE, Scope.GLOBAL, f"global.{CLAUDE}"),
        ("us-gov." + CLAUDE, CLAUDE, Family.CLAUDE, Scope.GEO, f"us-gov.{CLAUDE}"),
        ("in.moonshotai.kimi-k3", "moonshotai.kimi-k3", Family.OPEN_WEIGHT, Scope.GEO, "in.moonshotai.kimi-k3"),
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
        (f"{ARN}:custom-model/amazon.nova-lite-v1:0:300k/a1b2c3d4e5f6", None, Family.NOVA, None, None),
        (f"{ARN}:prompt-router/a1b2c3d4e5f6", None, Family.OTHER, None, None),
        (f"{ARN}:imported-model/a1b2c3d4e5f6", None, Family.OTHER, None, None),
        (f"{ARN}:prompt/A1B2C3D4E5:3", None, Family.OTHER, None, None),
        (f"{ARN}:default-prompt-router/anthropic.claude:1", None, Family.CLAUDE, None, None),
        ("arn:aws:sagemaker:eu-west-1:111122223333:endpoint/mine", None, Family.OTHER, None, None),
    ],
)
def test_parse(raw: str, base: str | None, family: Family, scope: Scope | None, profile: str | None) -> None:
    """Every documented form gives its parts; what only AWS can resolve stays opaque."""
    region = "eu-west-1" if raw.startswith(ARN) or "sagemaker" in raw else REGION
    model = parse(raw, REGION)
    assert model == ModelRef(
        raw=raw, base=base, family=family, scope=scope, region=region, profile=profile, kind=model.kind
    )


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (CLAUDE, ModelKind.FOUNDATION),
        (CLAUDE_US, ModelKind.PROFILE),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{CLAUDE}", ModelKind.FOUNDATION),
        (f"{ARN}:inference-profile/{CLAUDE_US}", ModelKind.PROFILE),
        (f"{ARN}:inference-profile/a1b2c3d4e5f6", ModelKind.PROFILE),
        (f"{ARN}:application-inference-profile/a1b2c3d4e5f6", ModelKind.APPLICATION_PROFILE),
        (f"{ARN}:provisioned-model/a1b2c3d4e5f6", ModelKind.PROVISIONED),
        (f"{ARN}:custom-model/amazon.nova-lite-v1:0:300k/a1b2c3d4e5f6", ModelKind.CUSTOM),
        (f"{ARN}:custom-model-deployment/a1b2c3d4e5f6", ModelKind.CUSTOM),
        (f"{ARN}:imported-model/a1b2c3d4e5f6", ModelKind.IMPORTED),
        (f"{ARN}:prompt/A1B2C3D4E5:3", ModelKind.PROMPT),
        (f"{ARN}:prompt-router/a1b2c3d4e5f6", ModelKind.ROUTER),
        (f"{ARN}:default-prompt-router/anthropic.claude:1", ModelKind.ROUTER),
        ("arn:aws-us-gov:sagemaker:us-gov-west-1:111122223333:endpoint/mine", ModelKind.MARKETPLACE),
        (f"{ARN}:flow/a1b2c3d4e5f6", ModelKind.UNKNOWN),
    ],
)
def test_kind(raw: str, kind: ModelKind) -> None:
    """The resource type of an ARN says what it stands for."""
    assert parse(raw, REGION).kind is kind
    assert set(KINDS.values()) | {ModelKind.UNKNOWN} == set(ModelKind)


@pytest.mark.parametrize(
    ("regions", "scope"),
    [
        (["us-east-1"], Scope.IN_REGION),
        (["us-east-1", "us-west-2"], Scope.GEO),
        (["eu-west-1", "eu-central-1", "eu-north-1"], Scope.GEO),
        (["us-east-1", "eu-west-1"], Scope.GLOBAL),
        (["us-east-1", ""], Scope.GLOBAL),
    ],
)
def test_resolving_a_profile(regions: list[str], scope: Scope) -> None:
    """The models behind an application profile give its base, family and scope; what was called stays."""
    opaque = parse(f"{ARN}:application-inference-profile/a1b2c3d4e5f6", REGION)
    found = resolve(opaque, [f"arn:aws:bedrock:{region}::foundation-model/{CLAUDE}" for region in regions])
    assert (found.base, found.family, found.scope) == (CLAUDE, Family.CLAUDE, scope)
    assert (found.raw, found.profile, found.region) == (opaque.raw, "a1b2c3d4e5f6", "eu-west-1")


@pytest.mark.parametrize(
    "arns",
    [
        [],
        ["arn:aws:bedrock:us-east-1:1:provisioned-model/a1b2"],
        [f"arn:aws:bedrock:us-east-1::foundation-model/{base}" for base in (CLAUDE, "amazon.nova-lite-v1:0")],
    ],
)
def test_a_profile_of_no_one_model_stays_opaque(arns: list[str]) -> None:
    """No model, an opaque one or several different ones do not name the one that is billed."""
    opaque = parse(f"{ARN}:application-inference-profile/a1b2c3d4e5f6", REGION)
    assert resolve(opaque, arns) == opaque


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
        ("amazon.nova-2-lite-v1:0", Family.NOVA),
        ("amazon.nova-canvas-v1:0", Family.NOVA_CANVAS),
        ("amazon.nova-reel-v1:1", Family.NOVA_REEL),
        ("amazon.nova-sonic-v1:0", Family.OTHER),
        ("amazon.nova-2-multimodal-embeddings-v1:0", Family.NOVA_EMBEDDING),
        ("amazon.titan-text-premier-v1:0", Family.TITAN_TEXT),
        ("amazon.titan-tg1-large", Family.TITAN_TEXT),
        ("amazon.titan-embed-text-v2:0", Family.TITAN_EMBEDDING),
        ("amazon.titan-embed-image-v1", Family.TITAN_EMBEDDING),
        ("amazon.titan-image-generator-v2:0", Family.TITAN_IMAGE),
        ("amazon.rerank-v1:0", Family.RERANK),
        ("meta.llama3-8b-instruct-v1:0", Family.LLAMA),
        ("mistral.pixtral-large-2502-v1:0", Family.MISTRAL),
        ("cohere.command-r-v1:0", Family.COHERE_COMMAND),
        ("cohere.embed-multilingual-v3", Family.COHERE_EMBED),
        ("cohere.rerank-v3-5:0", Family.RERANK),
        ("ai21.jamba-1-5-large-v1:0", Family.AI21),
        ("deepseek.v3-v1:0", Family.DEEPSEEK),
        ("qwen.qwen3-coder-480b-a35b-v1:0", Family.QWEN),
        ("openai.gpt-oss-20b-1:0", Family.OPENAI),
        ("writer.palmyra-x4-v1:0", Family.WRITER),
        ("google.gemma-3-27b-it", Family.OPEN_WEIGHT),
        ("zai.glm-4.7", Family.OPEN_WEIGHT),
        ("stability.stable-image-ultra-v1:1", Family.STABILITY),
        ("luma.ray-v2:0", Family.LUMA),
        ("twelvelabs.pegasus-1-2-v1:0", Family.PEGASUS),
        ("twelvelabs.marengo-embed-3-0-v1:0", Family.MARENGO),
        ("ANTHROPIC.CLAUDE", Family.OTHER),
    ],
)
def test_family(base: str, family: Family) -> None:
    """The family follows from the beginning of the id."""
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


def test_every_provider_of_a_family_is_known() -> None:
    """A profile of any family is recognised, whatever its geography is called."""
    for prefix, family in FAMILIES:
        assert prefix.partition(".")[0] in PROVIDERS
        assert parse(f"mars.{prefix}-x", REGION).family is family
