"""Exports of the bill in the column names of CUR 2.0, made by the tests."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb

COLUMNS = (
    ("bill_billing_entity", "VARCHAR"),
    ("bill_billing_period_start_date", "TIMESTAMP"),
    ("bill_payer_account_id", "VARCHAR"),
    ("identity_line_item_id", "VARCHAR"),
    ("line_item_currency_code", "VARCHAR"),
    ("line_item_iam_principal", "VARCHAR"),
    ("line_item_line_item_type", "VARCHAR"),
    ("line_item_operation", "VARCHAR"),
    ("line_item_product_code", "VARCHAR"),
    ("line_item_unblended_cost", "DOUBLE"),
    ("line_item_usage_account_id", "VARCHAR"),
    ("line_item_usage_amount", "DOUBLE"),
    ("line_item_usage_start_date", "TIMESTAMP"),
    ("line_item_usage_type", "VARCHAR"),
    ("product", "MAP(VARCHAR, VARCHAR)"),
    ("product_servicecode", "VARCHAR"),
    ("tags", "MAP(VARCHAR, VARCHAR)"),
)
"""Of the 115 columns of the standard export, those that name, count and cost;
https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line item."""

    start: datetime
    usage_type: str
    usd: Decimal
    product_name: str = "Amazon Bedrock"
    product_code: str = "AmazonBedrock"
    kind: str = "Usage"
    currency: str = "USD"
    principal: str = "arn:aws:sts::123456789012:assumed-role/meter-GatewayRole/session"

    def values(self, place: int) -> dict[str, object]:
        """Give the value of each column."""
        return {
            "bill_billing_entity": "AWS",
            "bill_billing_period_start_date": self.start.replace(day=1, hour=0, tzinfo=None),
            "bill_payer_account_id": "123456789012",
            "identity_line_item_id": f"item-{place}",
            "line_item_currency_code": self.currency,
            "line_item_iam_principal": self.principal,
            "line_item_line_item_type": self.kind,
            "line_item_operation": "InvokeModelInference",
            "line_item_product_code": self.product_code,
            "line_item_unblended_cost": float(self.usd),
            "line_item_usage_account_id": "123456789012",
            "line_item_usage_amount": 1.0,
            "line_item_usage_start_date": self.start.replace(tzinfo=None),
            "line_item_usage_type": self.usage_type,
            "product": {"product_name": self.product_name, "region": "us-east-1"},
            "product_servicecode": self.product_code,
            "tags": {"iamPrincipal/team": "search"},
        }


def parquet(path: Path, items: Sequence[Item], *, without: str | None = None) -> Path:
    """Write an export as Parquet, in which nested columns are maps."""
    columns = [(name, kind) for name, kind in COLUMNS if name != without]
    fields = ", ".join(f"{name} {kind}" for name, kind in columns)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE export ({fields})")
        for place, item in enumerate(items):
            values = item.values(place)
            marks = ", ".join("?" for _ in columns)
            insert = f"INSERT INTO export VALUES ({marks})"  # noqa: S608 - question marks alone
            connection.execute(insert, [values[name] for name, _ in columns])
        connection.execute(f"COPY export TO '{path}' (FORMAT parquet)")
    return path


def as_csv(path: Path, items: Sequence[Item]) -> Path:
    """Write an export as CSV, in which nested columns are JSON."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name, _ in COLUMNS])
        writer.writeheader()
        for place, item in enumerate(items):
            values = item.values(place)
            writer.writerow(
                {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
            )
    return path
