"""Price books in S3: where the proposed ones go, and how one is read and replaced."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bedrock_meter.endpoints import S3Object
from pricewatch import book

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROPOSED = "proposed"
"""The folder of proposed books, in the bucket of the approved one."""

_MISSING = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A book in S3."""

    text: str
    etag: str
    """What tells this version from another."""


def proposed_at(approved: S3Object, day: date) -> S3Object:
    """Give the place of the book that is proposed on a day."""
    return S3Object(approved.bucket, f"{PROPOSED}/{day.isoformat()}.json")


def get(s3: "S3Client", place: S3Object) -> Stored | None:
    """Read a book; None when there is none.

    Raises:
        ClientError: S3 refused; without s3:ListBucket also where there is none.
        BotoCoreError: S3 cannot be reached.
    """
    try:
        answer = s3.get_object(Bucket=place.bucket, Key=place.key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
    return Stored(text=answer["Body"].read().decode("utf-8", "replace"), etag=answer["ETag"])


def in_force(s3: "S3Client", approved: S3Object) -> tuple[str, Stored | None]:
    """Give the book that gateways use, and the approved one, if there is one.

    They use the approved one, unless that of the deployment is newer.

    Raises:
        PriceDataError: The approved book is damaged.
        ClientError: See `get`.
        BotoCoreError: See `get`.
    """
    packaged, stored = book.PATH.read_text(encoding="utf-8"), get(s3, approved)
    if stored is None:
        return packaged, None
    book.verify(stored.text)
    return (stored.text if book.version(stored.text) >= book.version(packaged) else packaged), stored


def put(s3: "S3Client", place: S3Object, text: str, *, replaces: Stored | None) -> None:
    """Write a book, if nobody has written another since it was read.

    Args:
        s3: The client.
        place: Where.
        text: The book.
        replaces: What was there; None when there was nothing.

    Raises:
        ClientError: S3 refused; with ``PreconditionFailed``, somebody was faster.
        BotoCoreError: S3 cannot be reached.
    """
    condition: Any = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces.etag}
    s3.put_object(Bucket=place.bucket, Key=place.key, Body=text.encode(), ContentType="application/json", **condition)
