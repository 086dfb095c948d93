"""Who calls: which use case a call counts for."""

import pytest

from bedrock_meter.config import Settings
from bedrock_meter.errors import AccessDenied
from gateway.identity import USE_CASE_HEADER, identify

CLOSED = Settings(use_case="chatbot", use_cases=frozenset({"chatbot", "search"}))
OPEN = Settings(use_case="chatbot", use_cases=frozenset({"chatbot", "search"}), use_case_header=True)
OPEN_WITHOUT_DEFAULT = Settings(use_cases=frozenset({"search", "alpha"}), use_case_header=True)


@pytest.mark.parametrize(
    ("settings", "headers", "use_case"),
    [
        (CLOSED, {}, "chatbot"),
        (OPEN, {}, "chatbot"),
        (OPEN, {USE_CASE_HEADER: "search"}, "search"),
        (OPEN, {USE_CASE_HEADER: "chatbot"}, "chatbot"),
        (OPEN_WITHOUT_DEFAULT, {USE_CASE_HEADER: "search"}, "search"),
    ],
)
def test_the_use_case(settings: Settings, headers: dict[str, str], use_case: str) -> None:
    """The deployment's own, or a registered one that the caller may choose."""
    assert identify(headers, settings) == {"use_case": use_case}


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        (Settings(), {}),
        (CLOSED, {USE_CASE_HEADER: "search"}),
        (CLOSED, {USE_CASE_HEADER: "chatbot"}),
        (CLOSED, {USE_CASE_HEADER: ""}),
        (OPEN, {USE_CASE_HEADER: "canary-7f3a"}),
        (OPEN, {USE_CASE_HEADER: ""}),
        (OPEN, {USE_CASE_HEADER: "chatbot,search"}),
        (OPEN_WITHOUT_DEFAULT, {}),
    ],
)
def test_no_use_case_is_denied(settings: Settings, headers: dict[str, str]) -> None:
    """A free header charges nobody's calls to anybody, and is not repeated in the message."""
    with pytest.raises(AccessDenied) as denied:
        identify(headers, settings)
    assert "canary" not in denied.value.message


def test_the_message_says_what_may_be_chosen() -> None:
    """Where a caller may choose, it is told among what."""
    with pytest.raises(AccessDenied, match="alpha, search"):
        identify({}, OPEN_WITHOUT_DEFAULT)


def test_the_message_does_not_list_what_may_not_be_chosen() -> None:
    """Where the header is closed, the registered names are nobody's business."""
    with pytest.raises(AccessDenied) as denied:
        identify({}, Settings(use_cases=frozenset({"search"})))
    assert "search" not in denied.value.message
