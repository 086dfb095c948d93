"""Our signer against botocore's own, which is the reference."""

from datetime import UTC, datetime
from unittest import mock

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from awshttp.credentials import EnvironmentCredentials
from awshttp.sigv4 import sign

NOW = datetime(2026, 11, 23, 13, 37, 42, tzinfo=UTC)
HOST = "bedrock-runtime.us-east-1.amazonaws.com"

segments = st.text("abcXYZ019-_.~:%2F3A", min_size=1, max_size=40).filter(lambda text: text not in {".", ".."})
tokens = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20).map(lambda text: f"x-amzn-bedrock-{text}")
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
queries = st.lists(
    st.tuples(st.text("abz-019", min_size=1, max_size=6), st.text("abz-019%", max_size=6)), max_size=4
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


def authorization_by_botocore(
    method: str, target: str, headers: dict[str, str], body: bytes, token: str | None
) -> dict[str, str]:
    """Sign the same request with botocore, at the same time."""
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body, headers=dict(headers))
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        SigV4Auth(ReadOnlyCredentials("AKIDEXAMPLE", "secret", token), "bedrock", "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    segment=segments,
    query=queries,
    headers=st.dictionaries(tokens, values, max_size=4),
    body=st.binary(max_size=100),
    token=st.none() | st.just("session/token=="),
    method=st.sampled_from(["GET", "POST"]),
)
def test_every_signature_is_botocores(
    segment: str, query: str, headers: dict[str, str], body: bytes, token: str | None, method: str
) -> None:
    """Path, query, headers, body and session token are signed as botocore signs them, to the letter."""
    target = f"/model/{segment}/invoke" + (f"?{query}" if query else "")
    given_headers = {"content-type": "application/json", "user-agent": "Boto3/1", **headers}
    credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", token)

    ours = sign(
        method,
        target,
        given_headers,
        body,
        host=HOST,
        service="bedrock",
        region="us-east-1",
        credentials=credentials,
        now=NOW,
    )

    theirs = authorization_by_botocore(method, target, given_headers, body, token)
    for name in ("authorization", "x-amz-date", "x-amz-security-token"):
        assert ours.get(name) == theirs.get(name)


@given(segment=segments, query=queries, body=st.binary(max_size=100), token=st.none() | st.just("session/token=="))
def test_every_signature_for_s3_is_botocores(segment: str, query: str, body: bytes, token: str | None) -> None:
    """S3 signs the path as it is sent, and the sum of the body is a header."""
    target = f"/approved/{segment}" + (f"?{query}" if query else "")
    host = "books.s3.eu-west-1.amazonaws.com"
    credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", token)

    ours = sign(
        "GET",
        target,
        {"if-none-match": '"abc"'},
        body,
        host=host,
        service="s3",
        region="eu-west-1",
        credentials=credentials,
        now=NOW,
    )

    request = AWSRequest(method="GET", url=f"https://{host}{target}", data=body, headers={"if-none-match": '"abc"'})
    request.context = {"payload_signing_enabled": True}
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        S3SigV4Auth(ReadOnlyCredentials("AKIDEXAMPLE", "secret", token), "s3", "eu-west-1").add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    for name in ("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"):
        assert ours.get(name) == theirs.get(name)


def test_the_callers_headers_are_kept() -> None:
    """Signing adds headers and changes none."""
    credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", None)
    headers = {"accept": "application/json", "user-agent": "a  b"}

    signed = sign(
        "POST", "/x", headers, b"", host=HOST, service="bedrock", region="eu-west-1", credentials=credentials, now=NOW
    )

    assert headers.items() <= signed.items()
    assert signed.keys() - headers.keys() == {"host", "x-amz-date", "authorization"}


def test_the_key_of_a_day_is_not_that_of_the_next() -> None:
    """The kept signing key belongs to one day, one service, one Region and one secret."""
    credentials = EnvironmentCredentials("AKIDEXAMPLE", "secret", None)
    signatures = {
        sign("POST", "/x", {}, b"", host=HOST, service=service, region=region, credentials=each, now=day)[
            "authorization"
        ].rpartition("=")[2]
        for service in ("bedrock", "dynamodb")
        for region in ("us-east-1", "eu-west-1")
        for day in (NOW, NOW.replace(day=24))
        for each in (credentials, credentials._replace(secret_key="other"))
    }
    assert len(signatures) == 16
