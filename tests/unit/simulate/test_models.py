"""Model ids in every form lead to the right row, or to none."""

import pytest

from meterctl.simulate.families import FAMILIES
from meterctl.simulate.faults import FAULTS
from meterctl.simulate.models import OPAQUE, fault_model_id, resolve

ARN = "arn:aws:bedrock:us-east-1"


@pytest.mark.parametrize(
    ("model_id", "family", "profile"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude", False),
        ("anthropic.claude-opus-4-8", "claude", False),
        ("anthropic.claude-v2:0:100k", "claude", False),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude", True),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude", True),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "claude", True),
        ("amazon.nova-lite-v1:0", "nova", False),
        ("amazon.nova-2-lite-v1:0", "nova", False),
        ("eu.amazon.nova-pro-v1:0:300k", "nova", True),
        ("amazon.titan-text-express-v1", "titan", False),
        ("meta.llama3-1-8b-instruct-v1:0", "llama", False),
        ("us.meta.llama4-scout-17b-instruct-v1:0", "llama", True),
        (f"{ARN}::foundation-model/amazon.nova-lite-v1:0", "nova", False),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/meta.llama3-8b-instruct-v1:0", "llama", False),
        (f"{ARN}:111122223333:inference-profile/us.amazon.nova-lite-v1:0", "nova", True),
        (f"{ARN}:111122223333:application-inference-profile/simclaude000", "claude", True),
        (f"{ARN}:111122223333:provisioned-model/simclaude000", "claude", True),
        (f"{ARN}:111122223333:custom-model-deployment/simnova00000", "nova", True),
        (f"{ARN}:111122223333:imported-model/simdeepseek0", "imported", True),
        (f"{ARN}:111122223333:prompt/simprompt0:1", "claude", True),
        (f"{ARN}:111122223333:default-prompt-router/anthropic.claude:1", "claude", True),
        ("arn:aws:sagemaker:us-east-1:111122223333:endpoint/sim-endpoint", "imported", True),
        ("amazon.titan-embed-text-v2:0", "titan-embed", False),
        ("amazon.nova-2-multimodal-embeddings-v1:0", "nova-embed", False),
        ("amazon.nova-canvas-v1:0", "amazon-image", False),
        ("amazon.nova-reel-v1:1", "video", False),
        ("luma.ray-v2:0", "video", False),
        ("mistral.mistral-7b-instruct-v0:2", "mistral", False),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mistral", False),
        ("mistral.mistral-large-2402-v1:0", "mistral", False),
        ("us.mistral.pixtral-large-2502-v1:0", "mistral-chat", True),
        ("cohere.command-text-v14", "command", False),
        ("cohere.command-light-text-v14", "command", False),
        ("cohere.command-r-plus-v1:0", "command-r", False),
        ("cohere.embed-english-v3", "cohere-embed", False),
        ("us.cohere.embed-v4:0", "cohere-embed", True),
        ("cohere.rerank-v3-5:0", "rerank", False),
        ("amazon.rerank-v1:0", "rerank", False),
        ("ai21.jamba-1-5-mini-v1:0", "jamba", False),
        ("ai21.j2-ultra-v1", "jurassic", False),
        ("us.deepseek.r1-v1:0", "deepseek-r1", True),
        ("deepseek.v3-v1:0", "deepseek", False),
        ("qwen.qwen3-32b-v1:0", "qwen", False),
        ("in.moonshotai.kimi-k3", "moonshot", True),
        ("us.writer.palmyra-x5-v1:0", "writer", True),
        ("openai.gpt-oss-120b-1:0", "gpt-oss", False),
        ("openai.gpt-6-sol", "gpt", False),
        ("openai.gpt-5.6", "gpt", False),
        ("us.twelvelabs.pegasus-1-2-v1:0", "pegasus", True),
        ("twelvelabs.marengo-embed-2-7-v1:0", "marengo", False),
        ("stability.sd3-5-large-v1:0", "stability", False),
        ("stability.stable-image-ultra-v1:1", "stability", False),
    ],
)
def test_an_id_that_exists_leads_to_its_family(model_id: str, family: str, profile: bool) -> None:
    """Plain ids, prefixed ids and ARNs are told apart."""
    model = resolve(model_id)
    assert model is not None
    assert (model.family.name, model.profile, model.fault) == (family, profile, None)


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "claude",
        "anthropic.",
        "us.us.anthropic.claude-opus-4-8",
        "xx.anthropic.claude-opus-4-8",
        "anthropic.claude-opus-4-8%3A0",
        "amazon.nova-sonic-v1:0",
        "amazon.titan-tg1-large",
        "cohere.embed-",
        f"{ARN}:111122223333:provisioned-model/000000000000",
        f"{ARN}:111122223333:nonsense/simclaude000",
        "arn:aws:sagemaker:us-east-1:111122223333:endpoint/other",
        "anthropic.simulate-nothing",
        f"{ARN}:111122223333:application-inference-profile/000000000000",
        f"{ARN}:111122223333:inference-profile/amazon.nova-lite-v1:0",
        f"{ARN}:111122223333:foundation-model/amazon.nova-lite-v1:0",
        f"{ARN}::foundation-model/us.amazon.nova-lite-v1:0",
        "arn:aws:sagemaker:us-east-1:111122223333:endpoint/mine",
    ],
)
def test_an_id_that_does_not_exist_leads_nowhere(model_id: str) -> None:
    """Other models, other families' ids and malformed ARNs have no row."""
    assert resolve(model_id) is None


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_every_family_has_an_id_for_every_fault(family: str) -> None:
    """A fault id resolves to its family and its fault, with and without a region prefix."""
    for fault in FAULTS:
        for prefix in ("", "us."):
            model = resolve(prefix + fault_model_id(fault, family=family))
            assert model is not None
            assert (model.family.name, model.fault, model.profile) == (family, fault, bool(prefix))


def test_no_fault_id_is_made_for_unknown_names() -> None:
    """A misspelt fault or family is an error in the test that asks for it."""
    with pytest.raises(ValueError, match="no fault is called 'nothing'"):
        fault_model_id("nothing")
    with pytest.raises(ValueError, match="no family is called 'nobody'"):
        fault_model_id("reset", family="nobody")


@pytest.mark.parametrize("target", sorted(set(OPAQUE.values())))
def test_resources_lead_to_models_that_exist(target: str) -> None:
    """No ARN of the table points into nothing."""
    assert resolve(target) is not None
