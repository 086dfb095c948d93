"""Sessions for attribution: made once, renewed beside the calls, done without when they cannot be made."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from awshttp.sts import SessionCredentials
from bedrock_meter.errors import AwsError
from gateway.attribution import MAX_SESSIONS, RETRY_SECONDS, RoleSessions

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Rig:
    """Sessions of a fake STS, on a clock that stands still."""

    def __init__(self) -> None:
        self.passed = timedelta(0)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.down = False
        self.may_answer = Event()
        self.may_answer.set()
        self.answered = Event()
        self.faults: list[str] = []
        self.sessions = RoleSessions(
            self,
            "arn:aws:iam::123456789012:role/r",
            lambda code, error: self.faults.append(f"{code} {type(error).__name__}"),
            now=lambda: START + self.passed,
            monotonic=lambda: 1000 + self.passed.total_seconds(),
        )

    def assume_role(self, role: str, session: str, tags: Mapping[str, str]) -> SessionCredentials:
        """Make a session of an hour."""
        assert role.endswith("role/r")
        self.asked.append((session, dict(tags)))
        assert self.may_answer.wait(10)
        if self.down:
            raise AwsError("AccessDenied")
        made = SessionCredentials(f"ASIA{len(self.asked)}", "secret", "token", START + self.passed + timedelta(hours=1))
        self.answered.set()
        return made

    def key_of(self, use_case: str = "chatbot", **tags: str) -> str | None:
        """Give the access key that signs a call of a use case."""
        credentials = self.sessions.credentials({"use_case": use_case, "key_id": "k", **tags})
        return None if credentials is None else credentials.access_key


def test_a_use_case_has_one_session() -> None:
    """However many calls it makes; another use case and another team have their own."""
    rig = Rig()
    assert [rig.key_of(), rig.key_of(), rig.key_of("x", team="t"), rig.key_of("x")] == ["ASIA1"] * 2 + [
        "ASIA2",
        "ASIA3",
    ]
    assert rig.asked == [
        ("chatbot", {"use_case": "chatbot"}),
        ("x-", {"use_case": "x", "team": "t"}),
        ("x-", {"use_case": "x"}),
    ]


def test_a_session_is_renewed_beside_the_calls() -> None:
    """A quarter of an hour before its end the old one still signs, and the next one is made once."""
    rig = Rig()
    assert rig.key_of() == "ASIA1"
    rig.passed = timedelta(minutes=46)
    rig.answered.clear()
    rig.may_answer.clear()
    assert [rig.key_of() for _ in range(3)] == ["ASIA1"] * 3
    rig.may_answer.set()
    assert rig.answered.wait(10)
    pause = Event()
    while rig.key_of() != "ASIA2":
        pause.wait(0.005)
    assert len(rig.asked) == 2


def test_an_ended_session_is_not_used() -> None:
    """After a pause the first call waits for a new one."""
    rig = Rig()
    assert rig.key_of() == "ASIA1"
    rig.passed = timedelta(minutes=59, seconds=30)
    assert rig.key_of() == "ASIA2"


def test_without_sts_the_gateways_own_credentials_do() -> None:
    """The failure is counted once, and STS is asked again after a while; an old session is used as long as it lasts."""
    rig = Rig()
    rig.down = True
    assert [rig.key_of(), rig.key_of()] == [None, None]
    assert (rig.faults, len(rig.asked)) == (["attribution_failed AwsError"], 1)
    rig.down = False
    rig.passed = timedelta(seconds=RETRY_SECONDS)
    assert rig.key_of() == "ASIA2"


def test_threads_share_one_session() -> None:
    """Callers of a new use case who arrive together wait for one session."""
    rig = Rig()
    rig.may_answer.clear()
    keys: list[str | None] = []
    threads = [Thread(target=lambda: keys.append(rig.key_of())) for _ in range(8)]
    for thread in threads:
        thread.start()
    rig.may_answer.set()
    for thread in threads:
        thread.join()
    assert keys == ["ASIA1"] * 8
    assert len(rig.asked) == 1


def test_sessions_do_not_fill_the_memory() -> None:
    """Beyond a bound further use cases are signed for with the gateway's own credentials."""
    rig = Rig()
    keys = [rig.key_of(f"u{number}") for number in range(MAX_SESSIONS + 2)]
    assert keys.count(None) == 2
