"""Model ids in every form lead to the right row, or to none."""

import pytest

from meterctl.simulate.faults import FAULTS
from meterctl.simulate.models import APPLICATION_PROFILES, FAMILIES, fault_model_id, resolve

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
        "amazon.nova-canvas-v1:0",
        "amazon.nova-2-multimodal-embeddings-v1:0",
        "amazon.titan-embed-text-v2:0",
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
@pytest.mark.parametrize("fault", FAULTS)
def test_every_family_has_an_id_for_every_fault(family: str, fault: str) -> None:
    """A fault id resolves to its family and its fault, with and without a region prefix."""
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


@pytest.mark.parametrize("target", APPLICATION_PROFILES.values())
def test_application_profiles_lead_to_models_that_exist(target: str) -> None:
    """No profile of the table points into nothing."""
    assert resolve(target) is not None
