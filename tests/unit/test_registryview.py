"""The registry as a process sees it: read again in time, kept on failure."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from threading import Event, Thread
from types import MappingProxyType

import pytest

from bedrock_meter.adapters.registryview import BROKEN_ITEM, DOUBTFUL, UNREACHABLE, RegistryView
from bedrock_meter.errors import RegistryError
from bedrock_meter.items import Catalogue
from bedrock_meter.limits import Limit, Period, Subject, Unit
from bedrock_meter.principals import MAX_PATTERNS
from bedrock_meter.registry import UseCase


def of(*names: str, broken: tuple[RegistryError, ...] = (), amount: int = 1) -> Catalogue:
    """Make a catalogue."""
    limit = Limit(id="l", subject=Subject.ALL, unit=Unit.USD, period=Period.DAY, amount=Decimal(amount))
    use_cases = MappingProxyType({name: UseCase(name=name) for name in names})
    return Catalogue(use_cases=use_cases, limits=(limit,), broken=broken)


class Rig:
    """A view over a registry that says what the test wants, on a clock that stands still."""

    def __init__(self, *answers: Catalogue | Exception) -> None:
        self.answers = list(answers)
        self.reads = 0
        self.seconds = 1000.0
        self.faults: list[str] = []
        self.may_read = Event()
        self.may_read.set()
        self.view = RegistryView(self._read, self._failed, monotonic=lambda: self.seconds)

    def _read(self) -> Catalogue:
        self.reads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        assert self.may_read.wait(10)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _failed(self, code: str, error: BaseException) -> None:
        del error
        self.faults.append(code)

    def names(self) -> set[str]:
        """Give the use cases that the view knows."""
        return set(self.view.catalogue().use_cases)


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    pause = Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen")


def test_a_reading_serves_for_a_while() -> None:
    """Up to half a minute nothing is read again."""
    rig = Rig(of("a"))
    rig.view.load()
    rig.seconds += 29
    assert (rig.names(), rig.reads) == ({"a"}, 1)
    assert rig.view.use_case("a") == UseCase(name="a")
    assert rig.view.use_case("b") is None


def test_a_busy_process_reads_beside_its_calls() -> None:
    """From half a minute on a call gets the last reading, and the next one comes by itself, once for all callers."""
    rig = Rig(of("a"), of("b"))
    rig.view.load()
    rig.seconds += 31
    rig.may_read.clear()
    assert [rig.names() for _ in range(3)] == [{"a"}] * 3
    rig.may_read.set()
    until(lambda: rig.names() == {"b"})
    assert rig.reads == 2


def test_no_call_sees_what_is_older_than_a_minute() -> None:
    """After a pause the first call waits for a new reading."""
    rig = Rig(of("a"), of("b"))
    rig.view.load()
    rig.seconds += 60
    assert (rig.names(), rig.reads) == ({"b"}, 2)


def test_the_last_reading_stays_when_the_registry_fails() -> None:
    """It is counted, and nobody waits for the registry again for a few seconds."""
    rig = Rig(of("a"), RegistryError("down"), of("b"))
    rig.view.load()
    rig.seconds += 60
    assert (rig.names(), rig.reads, rig.faults) == ({"a"}, 2, [UNREACHABLE])
    rig.seconds += 4
    assert (rig.names(), rig.reads) == ({"a"}, 2)
    rig.seconds += 1
    assert (rig.names(), rig.reads) == ({"b"}, 3)


def test_a_registry_that_was_never_read_is_an_error() -> None:
    """What nobody knows is not taken for empty: no limits would mean that everything may be spent."""
    rig = Rig(RuntimeError("whatever"), of("a"))
    rig.view.load()
    assert rig.faults == [UNREACHABLE]
    with pytest.raises(RegistryError, match="could not be read yet"):
        rig.view.limits()
    assert (rig.reads, "a" in rig.view) == (1, False)
    rig.seconds += 5
    assert (rig.names(), "a" in rig.view) == ({"a"}, True)


def test_broken_items_are_counted_at_each_reading() -> None:
    """The rest is there, and a person is told of each item that is not."""
    rig = Rig(of("a", broken=(RegistryError("x"), RegistryError("y"))))
    rig.view.load()
    assert (rig.names(), rig.faults) == ({"a"}, [BROKEN_ITEM, BROKEN_ITEM])


def test_limits_that_did_not_change_are_the_same_object() -> None:
    """Whoever prepares the limits need not do it again; a change is another object."""
    rig = Rig(of("a"), of("b"), of("b", amount=2))
    rig.view.load()
    first = rig.view.limits()
    rig.seconds += 60
    assert rig.view.limits() is first
    rig.seconds += 60
    assert rig.view.limits() is not first


def test_a_membership_test_reads_nothing() -> None:
    """A metric line asks whether a use case is registered, and must never wait for it."""
    rig = Rig(of("a"))
    assert "a" not in rig.view
    rig.view.load()
    rig.seconds += 500
    assert "a" in rig.view
    assert rig.reads == 1


def test_threads_share_one_reading() -> None:
    """Callers who arrive while the first reading runs wait for it and do not read themselves."""
    started, go_on, reads = Event(), Event(), []

    def read() -> Catalogue:
        reads.append(1)
        started.set()
        assert go_on.wait(10)
        return of("a")

    view = RegistryView(read, lambda code, error: None, monotonic=lambda: 1000.0)  # noqa: ARG005 - nothing fails here
    seen: list[set[str]] = []
    threads = [Thread(target=lambda: seen.append(set(view.catalogue().use_cases))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert seen == [{"a"}] * 8
    assert len(reads) == 1


ADA, BOB = "arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/bob"


def with_principals(patterns: Mapping[str, tuple[str, ...]]) -> Catalogue:
    """Make a catalogue with principals."""
    return Catalogue(principals=MappingProxyType(dict(patterns)))


def test_principals_follow_the_registry() -> None:
    """A pattern that was written or deleted counts with the next reading."""
    rig = Rig(with_principals({ADA: ("a", "b")}), with_principals({BOB: ("b",)}))
    assert (rig.view.find(ADA), rig.view.find(BOB)) == (("a", "b"), None)
    rig.seconds += 61
    assert (rig.view.find(ADA), rig.view.find(BOB)) == (None, ("b",))


def test_a_principal_in_doubt_has_no_use_case() -> None:
    """Two patterns that were written at the same time may both match: then neither counts, which is told once."""
    rig = Rig(with_principals({ADA: ("a",), ADA.replace("ada", "a*"): ("b",), BOB: ("b",)}))
    assert [rig.view.find(arn) for arn in (ADA, ADA, BOB)] == [None, None, ("b",)]
    assert rig.faults == [DOUBTFUL]


def test_too_many_principals_leave_the_last_ones() -> None:
    """What another hand has filled is told, and what was known before stays."""
    many = {f"{ADA}-{number}": ("a",) for number in range(MAX_PATTERNS + 1)}
    rig = Rig(with_principals({ADA: ("a",)}), with_principals(many))
    rig.view.load()
    rig.seconds += 61
    assert rig.view.find(ADA) == ("a",)
    assert rig.faults == [BROKEN_ITEM]


def test_nobody_is_guessed_before_the_first_reading() -> None:
    """Without any reading it is an error, and not that the principal is unknown."""
    with pytest.raises(RegistryError):
        Rig(RegistryError("down")).view.find(ADA)
