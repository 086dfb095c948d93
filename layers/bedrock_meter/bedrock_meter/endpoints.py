"""Where AWS services are."""

from typing import NamedTuple


class S3Object(NamedTuple):
    """Where an object is in S3."""

    bucket: str
    key: str

    def __str__(self) -> str:
        """Give its URL."""
        return f"s3://{self.bucket}/{self.key}"


def control_plane_url(region: str) -> str:
    """Give the URL of Bedrock's control plane in a Region."""
    return service_url("bedrock", region)


def s3_url(place: S3Object, region: str, endpoint: str | None = None) -> str:
    """Give the URL of an object in S3; its name needs no percent-encoding.

    Args:
        place: The object.
        region: The Region of its bucket.
        endpoint: Another S3 than AWS's, without a slash at its end.
    """
    if endpoint:
        return f"{endpoint}/{place.bucket}/{place.key}"
    return f"{service_url(f'{place.bucket}.s3', region)}/{place.key}"


def service_url(service: str, region: str) -> str:
    """Give the URL of an AWS service in a Region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{service}.{region}.{suffix}"
