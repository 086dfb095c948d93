"""Application inference profiles: resolved by a real exchange with a stand-in for the control plane."""

import json
from collections.abc import Callable
from threading import Event
from urllib.parse import quote

import pytest
from tests.functional.gateway.stub import Reply, StubUpstream, http, sends, sends_then_resets

from awshttp.credentials import EnvironmentCredentials
from bedrock_meter.domain import Family, ModelRef, Scope
from bedrock_meter.modelid import parse
from gateway.profiles import InferenceProfiles
from gateway.upstream import Upstream

ARN = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123def456"
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{CLAUDE}"} for region in ("eu-west-1", "eu-west-3")]
FOUND = http(200, {"Content-Type": "application/json"}, json.dumps({"models": MODELS}).encode())


class Failures:
    """Takes the failures, and tells when one has come."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.came = Event()

    def __call__(self, code: str, _error: BaseException | None) -> None:
        """Take one."""
        self.codes.append(code)
        self.came.set()


def profiles(url: str, failures: Callable[[str, BaseException | None], None], regions: list[str]) -> InferenceProfiles:
    """Make a resolver that asks this control plane, and notes for which Region."""

    def control_plane(region: str) -> Upstream:
        regions.append(region)
        credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", None)
        return Upstream(url=url, region=region, credentials=lambda: credentials, read_timeout=5)

    return InferenceProfiles(control_plane, failures)


def eventually(resolver: InferenceProfiles, model: ModelRef) -> ModelRef:
    """Ask until the answer is there; the resolver itself never waits."""
    pause = Event()
    for _ in range(500):
        found = resolver.find(model)
        if found.base is not None:
            return found
        pause.wait(0.01)
    pytest.fail("the profile was not resolved")


def test_a_profile_is_asked_for_once_in_its_own_region() -> None:
    """The first sight starts one signed question; afterwards the model is known, with family and scope."""
    regions: list[str] = []
    failures = Failures()
    with StubUpstream(sends(FOUND)) as stub:
        resolver = profiles(stub.url, failures, regions)
        model = parse(ARN, "us-east-1")

        assert resolver.find(model).base is None
        found = eventually(resolver, model)

        assert (found.base, found.family, found.scope) == (CLAUDE, Family.CLAUDE, Scope.GEO)
        assert found.raw == ARN
        (seen,) = stub.seen
    assert (seen.method, seen.target) == ("GET", f"/inference-profiles/{quote(ARN, safe='')}")
    assert "/eu-west-1/bedrock/aws4_request" in (seen.header("authorization") or "")
    assert regions == ["eu-west-1"]
    assert failures.codes == []


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (sends(http(403, {}, b'{"message": "no"}')), "profile_not_resolved"),
        (sends(http(200, {}, b'{"models": []}')), "profile_not_resolved"),
        (sends(http(200, {}, b"no json")), "profile_lookup_failed"),
        (sends(http(200, {}, b"{}")), "profile_lookup_failed"),
        (sends_then_resets(b""), "profile_lookup_failed"),
    ],
)
def test_a_failure_leaves_the_profile_opaque(reply: Reply, code: str) -> None:
    """Whatever goes wrong is told once, the model stays opaque, and it is not asked for again at once."""
    failures = Failures()
    with StubUpstream(reply) as stub:
        resolver = profiles(stub.url, failures, [])
        model = parse(ARN)
        assert resolver.find(model) == model
        assert failures.came.wait(10)
        assert resolver.find(model) == model
        assert len(stub.seen) <= 1
    assert failures.codes == [code]


@pytest.mark.parametrize("raw", [CLAUDE, f"us.{CLAUDE}", "arn:aws:bedrock:us-east-1:1:provisioned-model/abc"])
def test_nothing_else_is_asked_for(raw: str) -> None:
    """What is no application profile is given back as it is, without a question."""
    resolver = InferenceProfiles(lambda region: pytest.fail(f"asked {region}"), Failures())
    assert resolver.find(parse(raw)) is parse(raw)
