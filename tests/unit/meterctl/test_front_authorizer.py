"""What the local API Gateway makes of an authorizer: its event, its answer, and the refusals of the template."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.cloudformation import REPOSITORY, load, resources

from meterctl.front_authorizer import (
    API_ARN,
    FAILURE,
    UNAUTHORIZED,
    Refused,
    admitted,
    authorizer_event,
    behind,
)
from meterctl.lambda_front import to_event

PATH = "/model/amazon.nova-lite-v1%3A0/converse"
STAGE = f"{API_ARN}/prod/*/*"


def an_event(path: str = PATH, **headers: str) -> dict[str, Any]:
    """Make the event of a call."""
    return to_event("POST", f"/prod{path}", headers.items(), b"a prompt", request_id="r-1")


def an_answer(effect: str = "Allow", resource: object = STAGE, **changes: object) -> dict[str, Any]:
    """Make the answer of an authorizer."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    answer = {"principalId": "k1", "policyDocument": {"Statement": [statement]}, "context": {"key_id": "k1"}}
    return {**answer, **changes}


def test_the_authorizer_sees_all_of_the_call_but_its_body() -> None:
    """It gets the path as it was sent, the headers and the ARN of the method, and never the prompt."""
    event = authorizer_event(an_event(authorization="Bearer x"))

    assert (event["type"], event["methodArn"]) == ("REQUEST", f"{API_ARN}/prod/POST{PATH}")
    assert event["headers"] == {"authorization": "Bearer x"}
    assert event["requestContext"]["requestId"] == "r-1"
    assert "body" not in event


@pytest.mark.parametrize("path", ["/anthropic/v1/messages", "/v1/messages"])
def test_a_call_without_its_identity_source_asks_nobody(path: str) -> None:
    """Without Authorization a call is refused unasked, but for the routes whose key may come in another header."""
    with pytest.raises(Refused) as refused:
        authorizer_event(an_event())
    assert (refused.value.status, refused.value.message) == (403, UNAUTHORIZED)
    assert authorizer_event(an_event(path, **{"x-api-key": "x"}))["path"] == path


def test_who_is_let_in_is_named_in_the_request_context() -> None:
    """The context arrives as text beside the principal, and nothing else of the event changes."""
    event = an_event(authorization="Bearer x")
    found = admitted(event, an_answer(context={"key_id": "k1", "level": 2, "good": True}))

    authorizer = found["requestContext"].pop("authorizer")
    assert authorizer == {"key_id": "k1", "level": "2", "good": "true", "principalId": "k1"}
    assert found == event


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (an_answer("Deny", context={"message": "No."}), "with an explicit deny"),
        (an_answer(resource=f"{API_ARN}/prod/GET/*", context={"message": "No."}), "this resource)"),
        (an_answer(resource=[], context={"message": "No."}), "this resource)"),
    ],
    ids=["deny", "another method", "nothing"],
)
def test_who_is_not_let_in_is_told_the_authorizers_reason(answer: Mapping[str, Any], reason: str) -> None:
    """A Deny, and a policy without a statement that fits, is 403 with the message in the context."""
    with pytest.raises(Refused) as refused:
        admitted(an_event(), answer)
    assert refused.value.status == 403
    assert refused.value.message.startswith("No. (User is not authorized")
    assert reason in refused.value.message


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        an_answer(policyDocument={}),
        an_answer(policyDocument={"Statement": [{}]}),
        an_answer(context=[1]),
        an_answer(context={"use_cases": ["not flat"]}),
    ],
    ids=["none", "empty", "no policy", "empty statement", "no map", "a list inside"],
)
def test_an_answer_of_the_wrong_shape_lets_nobody_in(answer: object) -> None:
    """What API Gateway cannot use is its configuration error: 503."""
    with pytest.raises(Refused) as refused:
        admitted(an_event(), answer)
    assert (refused.value.status, refused.value.message) == (503, FAILURE)


def test_an_authorizer_that_fails_lets_nobody_in() -> None:
    """The function is not invoked, and the failure is not quoted."""

    def failing(_event: Mapping[str, Any], _context: Any) -> Mapping[str, Any]:
        raise RuntimeError("canary-key")

    guarded = behind(failing, lambda *_: pytest.fail("the function was invoked"))
    with pytest.raises(Refused) as refused:
        guarded(an_event(authorization="Bearer x"), None)
    assert (refused.value.status, refused.value.message) == (503, FAILURE)


@pytest.mark.parametrize(
    ("response", "status", "text"),
    [
        ("UNAUTHORIZED", 403, UNAUTHORIZED),
        ("ACCESS_DENIED", 403, "$context.authorizer.message ($context.error.message)"),
        ("AUTHORIZER_FAILURE", 503, FAILURE),
        ("AUTHORIZER_CONFIGURATION_ERROR", 503, FAILURE),
    ],
)
def test_the_refusals_are_those_of_the_template(response: str, status: int, text: str) -> None:
    """Status, error type and message stand so in the gateway responses that are deployed."""
    (api,) = resources(load(REPOSITORY / "template.yaml"), "AWS::Serverless::Api").values()
    found = api["GatewayResponses"][response]
    template = found["ResponseTemplates"]["application/json"]
    kind = {403: "'AccessDeniedException'", 503: "'ServiceUnavailableException'"}[status]

    assert found["StatusCode"] == status
    assert found["ResponseParameters"]["Headers"]["x-amzn-ErrorType"] == kind
    assert f'{{"message":"{text}"}}' in (template["Fn::If"] if isinstance(template, dict) else [template])
