"""What reaches Bedrock: signed by the gateway over the very bytes that are sent, and nothing of the caller's own."""

import gc
from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from tests.functional.gateway.calls import CLAUDE, CLAUDE_BODY, CLAUDE_PATH, CONVERSE_BODY, converse
from tests.functional.gateway.door import (
    ACCESS_KEY,
    CALLER_ACCESS_KEY,
    CALLER_SECRET_KEY,
    REGION,
    SECRET_KEY,
    SESSION_TOKEN,
    client_of,
    open_door,
)
from tests.functional.gateway.stub import Seen, StubUpstream, http, sends

ANSWER = sends(http(200, {"Content-Type": "application/json"}, b"{}"))


def authorization(seen: Seen) -> dict[str, str]:
    """Take the Authorization header of a request apart."""
    scheme, _, rest = (seen.header("authorization") or "").partition(" ")
    assert scheme == "AWS4-HMAC-SHA256"
    return dict(part.strip().split("=", 1) for part in rest.split(","))


def is_signed(seen: Seen, credentials: ReadOnlyCredentials) -> bool:
    """Sign a request anew, as it arrived, and tell whether that gives the signature that it carries."""
    claims = authorization(seen)
    date = seen.header("x-amz-date") or ""
    scope = f"{date[:8]}/{REGION}/bedrock/aws4_request"
    headers = {name: seen.header(name) or "" for name in claims["SignedHeaders"].split(";")}
    request = AWSRequest(
        method=seen.method, url=f"http://{seen.header('host')}{seen.target}", data=seen.body, headers=headers
    )
    request.context["timestamp"] = date
    signer = SigV4Auth(credentials, "bedrock", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return (
        claims["Credential"] == f"{credentials.access_key}/{scope}"
        and {"host", "x-amz-date"} <= headers.keys()
        and claims["Signature"] == signer.signature(text, request)
    )


GATEWAYS = ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (CLAUDE_PATH, CLAUDE_PATH),
        (f"/model/{CLAUDE}/invoke", f"/model/{CLAUDE}/invoke"),
        (f"/model/{PROFILE}%2Fab12cd34ef56/converse", f"/model/{PROFILE}%2Fab12cd34ef56/converse"),
        (f"/model/{PROFILE}/ab12cd34ef56/converse", f"/model/{PROFILE}%2Fab12cd34ef56/converse"),
        ("/model/a%20b%2Bc+d~e%25f/invoke", "/model/a%20b%2Bc+d~e%25f/invoke"),
        ("/model/a%2f..%2fb/invoke", "/model/a%2f..%2fb/invoke"),
    ],
    ids=["encoded-colon", "raw-colon", "arn", "arn-with-decoded-slash", "odd-characters", "dots"],
)
def test_requests_are_signed_over_the_path_that_is_sent(path: str, sent: str) -> None:
    """The path goes out as it came, save for a stray slash of an ARN, and the signature is that of service bedrock."""
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        assert door.send("POST", path, CONVERSE_BODY).status == 200

        (seen,) = upstream.seen
        assert seen.target == sent
        assert seen.body == CONVERSE_BODY
        assert seen.header("x-amz-security-token") == SESSION_TOKEN
        assert is_signed(seen, GATEWAYS)


def test_a_path_in_the_upstream_url_is_signed_too() -> None:
    """An upstream behind a path prefix gets the prefix, and the signature covers it."""
    with StubUpstream(ANSWER) as upstream, open_door(f"{upstream.url}/behind/proxy") as door:
        assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY).status == 200

        (seen,) = upstream.seen
        assert seen.target == f"/behind/proxy{CLAUDE_PATH}"
        assert is_signed(seen, GATEWAYS)


def test_the_check_of_signatures_agrees_with_boto3_and_can_fail() -> None:
    """boto3's own request passes the check; one with another path, body, header or secret does not."""
    with StubUpstream(ANSWER) as upstream:
        converse(client_of(upstream.url), CLAUDE)
        (seen,) = upstream.seen

    callers = ReadOnlyCredentials(CALLER_ACCESS_KEY, CALLER_SECRET_KEY, None)
    assert is_signed(seen, callers)
    assert not is_signed(replace(seen, target=seen.target.replace("%3A", ":")), callers)
    assert not is_signed(replace(seen, body=seen.body + b" "), callers)
    other_date = tuple((name, "20260101T000000Z" if name == "X-Amz-Date" else value) for name, value in seen.headers)
    assert other_date != seen.headers
    assert not is_signed(replace(seen, headers=other_date), callers)
    assert not is_signed(seen, ReadOnlyCredentials(CALLER_ACCESS_KEY, "another-secret", None))


STAYS_HERE = {
    "Authorization": "Bearer canary-bearer",
    "X-Api-Key": "canary-api-key",
    "Cookie": "session=canary-cookie",
    "X-Forwarded-For": "203.0.113.99",
    "Forwarded": "for=203.0.113.99",
    "X-Amz-Security-Token": "canary-token",
    "X-Amz-Date": "20200101T000000Z",
    "X-Amz-Content-Sha256": "canary-hash",
    "X-Amzn-Trace-Id": "Root=canary-trace",
    "Proxy-Authorization": "Basic canary-proxy",
    "X-Bedrock-Meter-Anything": "canary-meter",
    "Accept-Encoding": "gzip, br",
    "Expect": "100-continue",
}
GOES_ON = {
    "Accept": "application/json",
    "Content-Type": "application/octet-stream",
    "User-Agent": "canary-agent/1.0",
    "amz-sdk-invocation-id": "5f0c4d0e-6a51-4d3c-9a53-0f6f7a3f2b11",
    "amz-sdk-request": "attempt=2; max=3",
    "X-Amzn-Bedrock-Trace": "ENABLED",
    "X-Amzn-Bedrock-GuardrailIdentifier": "gr-1",
    "X-Amzn-Bedrock-Service-Tier": "flex",
    "X-Stainless-Retry-Count": "0",
}
OWN = {"host", "accept-encoding", "content-length", "authorization", "x-amz-date", "x-amz-security-token"}


def test_only_headers_that_bedrock_knows_go_on() -> None:
    """What Bedrock understands is passed on as it is; the caller's credentials, cookies and proxies' traces are not."""
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY, STAYS_HERE | GOES_ON).status == 200

        (seen,) = upstream.seen
        names = [name.lower() for name, _ in seen.headers]
        assert sorted(names) == sorted({name.lower() for name in GOES_ON} | OWN)
        assert {name: seen.header(name) for name in GOES_ON} == GOES_ON
        assert seen.header("accept-encoding") == "identity"
        assert not [
            value for _, value in seen.headers if "canary" in value and value not in {"canary-agent/1.0", SESSION_TOKEN}
        ]
        assert is_signed(seen, GATEWAYS)
        assert door.record.call.attempt == 2
        assert door.record.call.tier == "flex"


def test_a_boto3_client_leaves_its_signature_at_the_gateway() -> None:
    """The signature and the key id of a boto3 caller do not reach Bedrock."""
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        door.client().invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)

        (seen,) = upstream.seen
        assert authorization(seen)["Credential"].startswith(f"{ACCESS_KEY}/")
        assert CALLER_ACCESS_KEY not in repr(seen)
        assert is_signed(seen, GATEWAYS)


def test_a_header_that_comes_twice_is_joined() -> None:
    """A header with several values goes on as one, with the values joined by commas, and is signed so."""
    event_headers = {"X-Amzn-Bedrock-Trace": ["ENABLED", "DISABLED"], "Content-Type": ["application/json"]}
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        assert door.invoke(CLAUDE_PATH, CLAUDE_BODY, event_headers)["statusCode"] == 200

        (seen,) = upstream.seen
        assert seen.header("x-amzn-bedrock-trace") == "ENABLED,DISABLED"
        assert is_signed(seen, GATEWAYS)


def test_the_longest_header_of_bedrock_goes_on_whole() -> None:
    """Request metadata of 8,500 characters, Bedrock's bound, arrives whole and signed."""
    metadata = '{"k":"' + "v" * 8492 + '"}'
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        headers = {"X-Amzn-Bedrock-Request-Metadata": metadata}
        assert door.send("POST", CLAUDE_PATH, CLAUDE_BODY, headers).status == 200

        (seen,) = upstream.seen
        assert seen.header("x-amzn-bedrock-request-metadata") == metadata
        assert is_signed(seen, GATEWAYS)


@pytest.mark.parametrize("value", ["a\r\nx-amzn-bedrock-trace: ENABLED", "a\nb", "caf\u00e9 \u2603"])
def test_a_header_that_http_cannot_carry_is_not_sent(value: str) -> None:
    """A header value with a line break or text outside Latin-1 is the caller's mistake: 400, and nothing is sent."""
    with StubUpstream(ANSWER) as upstream, open_door(upstream.url) as door:
        result = door.invoke(CLAUDE_PATH, CLAUDE_BODY, {"User-Agent": [value]})

        assert upstream.seen == []
        assert (result["statusCode"], result["multiValueHeaders"]["x-amzn-errortype"]) == (400, ["ValidationException"])
        assert door.record.outcome.http_status == 400
        gc.collect()  # a connection that was left open becomes a warning, and so a failure, here
