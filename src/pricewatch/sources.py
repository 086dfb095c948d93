"""Where the offer files of the AWS Price List come from: AWS's public site, or a folder of downloaded ones.

Both give one file after the other, the largest of one Region, so that a run needs the memory of one.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api-fetching-price-list-files-manually.html
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from pricewatch.errors import PriceDataError
from pricewatch.offers import OFFERS

SITE = "https://pricing.us-east-1.amazonaws.com"
"""The site of the commercial partition; it needs no credentials."""
INDEX = "region_index.json"
MAX_BYTES = 256 * 1024 * 1024
"""A file larger than this is refused; those of Bedrock have a few megabytes for a Region."""

_OK = 200
_PIECE = 1 << 16
_RETRIES = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
_TIMEOUT = Timeout(connect=5.0, read=30.0)


class Site:
    """AWS's site. It is asked for the Regions of each offer, then for each file.

    Args:
        url: The site.
    """

    whole = True

    def __init__(self, url: str = SITE) -> None:
        self._url = url
        self._http = urllib3.PoolManager(retries=_RETRIES, timeout=_TIMEOUT)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Download one file after the other."""
        for offer in OFFERS:
            for path in _paths(self._get(f"/offers/v1.0/aws/{offer}/current/{INDEX}"), offer).values():
                yield path, self._get(path)

    def _get(self, path: str) -> bytes:
        try:
            answer = self._http.request("GET", self._url + path, preload_content=False, redirect=False)
            try:
                if answer.status != _OK:
                    raise PriceDataError(f"{path}: the Price List answered {answer.status}")
                return _bounded(path, answer.stream(_PIECE, decode_content=True))
            finally:
                answer.release_conn()
        except HTTPError as error:
            raise PriceDataError(f"{path}: the Price List cannot be reached ({type(error).__name__})") from error


class Folder:
    """A folder of downloaded files, at any depth: offer files and, to prove that none is missing, the indexes.

    Args:
        path: The folder.

    Raises:
        PriceDataError: There is no file in it.
    """

    def __init__(self, path: Path) -> None:
        files = sorted(path.rglob("*.json"))
        self._offers = [file for file in files if file.name != INDEX]
        self._indexes = [file for file in files if file.name == INDEX]
        if not self._offers:
            raise PriceDataError(f"{path} has no offer files (*.json)")

    @property
    def whole(self) -> bool:
        """Whether there is an index for each offer, and beside it a file for each of its Regions."""
        return sum(self._has_all(index) for index in self._indexes) == len(OFFERS)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Read one file after the other."""
        for file in self._offers:
            with file.open("rb") as opened:
                yield str(file), _bounded(str(file), iter(partial(opened.read, _PIECE), b""))

    def _has_all(self, index: Path) -> bool:
        present = {file.relative_to(index.parent).parts[0].removesuffix(".json") for file in self._beside(index)}
        return _paths(index.read_bytes(), str(index)).keys() <= present

    def _beside(self, index: Path) -> list[Path]:
        return [file for file in self._offers if file.is_relative_to(index.parent)]


def _paths(text: bytes, name: str) -> dict[str, str]:
    """Read an index: the path of each Region's file."""
    try:
        regions: dict[str, Any] = json.loads(text)["regions"]
        paths = {region: str(entry["currentVersionUrl"]) for region, entry in regions.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PriceDataError(f"{name}: no index of Regions") from error
    if not paths or not all(path.startswith("/offers/") for path in paths.values()):
        raise PriceDataError(f"{name}: an index without Regions, or with paths outside /offers/")
    return paths


def _bounded(name: str, pieces: Iterator[bytes]) -> bytes:
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > MAX_BYTES:
            raise PriceDataError(f"{name} is larger than {MAX_BYTES:,} bytes")
    return bytes(found)
