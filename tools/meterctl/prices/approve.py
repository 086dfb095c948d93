"""``meterctl prices approve``: a proposed price book becomes the one that deployed gateways take up."""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from bedrock_meter.pricing import PriceBook
from bedrock_meter.settingvalues import s3_object
from meterctl.prices.refresh import print_changes
from pricewatch import book, places
from pricewatch.drift import appended
from pricewatch.errors import PriceDataError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OPTION = "--to"


@click.command("approve")
@click.argument("proposed", metavar="PROPOSED")
@click.option(OPTION, "url", required=True, help="The approved book: s3://bucket/key, the stack's output of this name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def approve(proposed: str, url: str, yes: bool) -> None:
    """Approve the price book PROPOSED (s3://bucket/key, or a file), after showing what it changes.

    It has to be the book that gateways use, with rows appended to it: the approved one, or the packaged one while that
    is newer or there is no other. Gateways take it up within minutes, without a deployment.
    """
    place = s3_object(url, setting=OPTION)
    s3: S3Client = boto3.client("s3")
    try:
        after, (before, stored) = _read(s3, proposed), places.in_force(s3, place)
        PriceBook.from_json(after)
        new = appended(book.verify(before), book.verify(after))
        if not new or book.version(after) < book.version(before):
            raise PriceDataError(f"{proposed} is no newer book than that of {book.version(before)}, which is in use")
        print_changes(new)
        click.echo(f"{len(new)} rows more than the book of {book.version(before)}, which is in use")
        if not yes:
            click.confirm("Approve?", abort=True)
        places.put(s3, place, after, replaces=stored)
    except (BotoCoreError, ClientError) as error:
        raise PriceDataError(f"S3: {error}") from error
    click.echo(f"approved: {place}")


def _read(s3: "S3Client", proposed: str) -> str:
    if not proposed.startswith("s3://"):
        try:
            return Path(proposed).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PriceDataError(f"{proposed} cannot be read ({type(error).__name__})") from error
    stored = places.get(s3, s3_object(proposed, setting="PROPOSED"))
    if stored is None:
        raise PriceDataError(f"{proposed} is not there")
    return stored.text
