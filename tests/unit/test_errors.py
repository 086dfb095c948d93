"""The exceptions: one root, and the answers that Bedrock itself would give."""

import pytest

from bedrock_meter import errors
from bedrock_meter.errors import ConfigError, MeterError, Refusal, RequestTooLarge

REFUSALS = {
    errors.UnknownOperation: (404, "UnknownOperationException"),
    errors.InvalidRequest: (400, "ValidationException"),
    errors.RequestTooLarge: (413, "ValidationException"),
    errors.AccessDenied: (403, "AccessDeniedException"),
    errors.UnpricedModel: (403, "AccessDeniedException"),
    errors.BudgetExceeded: (400, "ServiceQuotaExceededException"),
    errors.RateLimited: (429, "ThrottlingException"),
    errors.LimitsUnavailable: (503, "ServiceUnavailableException"),
    errors.UpstreamUnavailable: (503, "ServiceUnavailableException"),
    errors.UpstreamTimeout: (408, "ModelTimeoutException"),
    errors.GatewayFault: (500, "InternalServerException"),
}


def test_every_refusal_is_listed() -> None:
    """The table below leaves none out."""
    direct = Refusal.__subclasses__()
    assert {*direct, *(kind for parent in direct for kind in parent.__subclasses__())} == set(REFUSALS)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_the_answer_of_a_refusal(kind: type[Refusal]) -> None:
    """Each refusal has the status and the name that Bedrock gives that error."""
    assert (kind.http_status, kind.code) == REFUSALS[kind]
    assert issubclass(kind, MeterError)


def test_a_refusal_keeps_its_message() -> None:
    """What the caller is told is what the exception says."""
    refusal = errors.AccessDenied("not for you")
    assert refusal.message == str(refusal) == "not for you"


def test_a_large_request_keeps_its_facts() -> None:
    """Size and limit are data, and both are told."""
    refusal = RequestTooLarge(size=7_000_000, limit=6_291_456)
    assert (refusal.size, refusal.limit) == (7_000_000, 6_291_456)
    assert "7000000" in refusal.message
    assert "6291456" in refusal.message


def test_a_config_error_names_its_setting() -> None:
    """A start-up fault says which variable to change."""
    error = ConfigError("BEDROCK_METER_SERVICE", "is wrong")
    assert isinstance(error, MeterError)
    assert not isinstance(error, Refusal)
    assert (error.setting, str(error)) == ("BEDROCK_METER_SERVICE", "BEDROCK_METER_SERVICE: is wrong")
