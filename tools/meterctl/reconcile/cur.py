"""Reads an export of the Cost and Usage Report 2.0: Parquet or CSV, a file, a folder, or a prefix in S3.

Column names: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from meterctl.reconcile.bill import Billed, BillError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

_CSV = "SELECT * FROM read_csv(?, union_by_name = true, header = true, all_varchar = true)"
_READERS: Mapping[str, str] = {
    ".parquet": "SELECT * FROM read_parquet(?, union_by_name = true)",
    ".csv": _CSV,
    ".gz": _CSV,
}
REQUIRED = frozenset(
    {
        "line_item_usage_start_date",
        "line_item_usage_type",
        "line_item_unblended_cost",
        "line_item_product_code",
        "line_item_line_item_type",
        "line_item_currency_code",
        "product",
    }
)
PRINCIPAL = "line_item_iam_principal"
"""Only in exports with "Include caller identity (IAM principal) allocation data"."""

# Taxes, credits, refunds and discounts are not what a call costs at list price.
_OF_USAGE = ("Usage", "DiscountedUsage", "SavingsPlanCoveredUsage")
# Of a model that is sold on the Marketplace the product code is an opaque id; its product's name says Bedrock.
_QUERY = """
    SELECT CAST(CAST(line_item_usage_start_date AS TIMESTAMP) AS DATE) AS day,
           coalesce({product_name}, '') AS product,
           line_item_usage_type AS usage_type,
           {principal} AS principal,
           line_item_currency_code AS currency,
           sum(CAST(line_item_unblended_cost AS DECIMAL(38, 12))) AS cost
    FROM export
    WHERE (line_item_product_code LIKE '%Bedrock%' OR coalesce({product_name}, '') LIKE '%Amazon Bedrock%')
      AND line_item_line_item_type IN ({types})
      AND CAST(CAST(line_item_usage_start_date AS TIMESTAMP) AS DATE) BETWEEN ? AND ?
    GROUP BY ALL
    ORDER BY ALL
"""


def read(path: Path, *, first: date, last: date) -> list[Billed]:
    """Read what Bedrock cost between two days, both included.

    Args:
        path: A file, or a folder with the files of one export in it, at any depth.
        first: The first day, UTC.
        last: The last day.

    Raises:
        BillError: There is no such file, or it is no export of CUR 2.0 in US dollars.
    """
    import duckdb  # noqa: PLC0415 - an optional extra, and only this needs it

    files = _files(path)
    suffix = files[0].suffix
    with duckdb.connect() as connection:
        try:
            relation = connection.sql(_READERS[suffix], params=[[str(file) for file in files]])
            connection.register("export", relation)
            columns = dict(zip(relation.columns, (str(kind) for kind in relation.types), strict=True))
            if missing := sorted(REQUIRED - columns.keys()):
                raise BillError(f"{path}: no export of CUR 2.0, the columns {', '.join(missing)} are missing")
            return _billed(connection, columns, first=first, last=last)
        except duckdb.Error as error:
            raise BillError(f"{path}: {str(error).splitlines()[0]}") from error


@contextmanager
def fetched(s3: "S3Client", url: str) -> Iterator[Path]:
    """Copy the files below an ``s3://`` URL into a folder that lasts as long as the block.

    Raises:
        BillError: There is nothing below it.
    """
    parts = urlsplit(url)
    prefix = parts.path.lstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", []) if _is_data(Path(each["Key"]))]
        if not keys:
            raise BillError(f"{url}: no Parquet and no CSV file is below it")
        for place, key in enumerate(keys):
            s3.download_file(parts.netloc, key, str(Path(folder) / f"{place}-{Path(key).name}"))
        yield Path(folder)


def _files(path: Path) -> list[Path]:
    found = sorted(file for file in path.rglob("*") if _is_data(file)) if path.is_dir() else [path]
    kinds = {file.suffix for file in found}
    if not found or not path.exists() or not kinds <= _READERS.keys():
        raise BillError(f"{path}: no Parquet and no CSV file")
    if ".parquet" in kinds and len(kinds) > 1:
        raise BillError(f"{path}: Parquet and CSV files lie side by side; name one of both exports")
    return found


def _is_data(path: Path) -> bool:
    return path.suffix in {".parquet", ".csv"} or path.name.endswith(".csv.gz")


def _billed(connection: "DuckDBPyConnection", columns: Mapping[str, str], *, first: date, last: date) -> list[Billed]:
    # In Parquet the column is a map; in CSV the same as JSON.
    is_map = columns["product"].startswith("MAP")
    query = _QUERY.format(
        product_name="product['product_name']" if is_map else "json_extract_string(product, '$.product_name')",
        principal=PRINCIPAL if PRINCIPAL in columns else "NULL",
        types=", ".join(f"'{each}'" for each in _OF_USAGE),
    )
    return [_row(*values) for values in connection.execute(query, [first, last]).fetchall()]


def _row(day: date, product: str, usage_type: str, principal: str | None, currency: str, cost: Decimal) -> Billed:
    if currency != "USD":
        raise BillError(f"the bill is in {currency}; metered figures are in USD and are not converted")
    return Billed(day=day, product=product, usage_type=usage_type, principal=principal or None, usd=cost)
