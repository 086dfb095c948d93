"""AWS Signature Version 4, with the signing keys of the day kept.

botocore's signer is the reference and the tests hold every signature against it, header for header. It is not used on
the way of a call because its import is most of the gateway's start and its signing most of the gateway's own time; the
figures are in docs/decisions/0004-gateway-start-up.md.

Specification: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

from awshttp.credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies between here and AWS may change these, so a signature over them would not last.
_UNSIGNED = frozenset({"user-agent", "content-length", "expect", "transfer-encoding", "x-amzn-trace-id"})
_S3 = "s3"
"""The service that signs the path as it is sent, where all others encode it once more, and wants the body's sum."""


def sign(  # noqa: PLR0913 - a signature is over all of these
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    host: str,
    service: str,
    region: str,
    credentials: Credentials,
    now: datetime,
) -> dict[str, str]:
    """Give the headers of a request with its signature among them.

    Args:
        method: The HTTP method.
        target: The path as it will be sent, percent-encoded, with its query if it has one.
        headers: What is sent besides, with lower-case names.
        body: The body, whole.
        host: The value of the ``Host`` header.
        service: The name that the service is signed for, such as ``bedrock``.
        region: The Region.
        credentials: With these.
        now: The time of the signature; aware, UTC. AWS accepts it for 15 minutes.
    """
    stamp, digest = now.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    signed = {**headers, "host": host, "x-amz-date": stamp}
    if service == _S3:
        signed["x-amz-content-sha256"] = digest
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(name for name in signed if name not in _UNSIGNED)
    path, _, query = target.partition("?")
    canonical = "\n".join(
        (
            method,
            path if service == _S3 else quote(path, safe="/~"),
            _canonical_query(query),
            *(f"{name}:{' '.join(signed[name].split())}" for name in names),
            "",
            ";".join(names),
            digest,
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = _signing_key(credentials.secret_key or "", stamp[:8], region, service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{credentials.access_key}/{scope}"
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return signed


def _canonical_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
