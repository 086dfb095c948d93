"""Reads what Bedrock cost from Cost Explorer, by day, service and usage type. AWS bills 0.01 USD for each request."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from meterctl.reconcile.bill import Billed, BillError

if TYPE_CHECKING:
    from mypy_boto3_ce import CostExplorerClient

_NOT_USAGE = ["Credit", "Refund", "Tax", "Enterprise Discount Program Discount", "Solution Provider Program Discount"]
METRIC = "UnblendedCost"


def read(ce: "CostExplorerClient", *, first: date, last: date) -> list[Billed]:
    """Read what Bedrock cost between two days, both included, by `METRIC`.

    Raises:
        BillError: The bill is not in US dollars.
    """
    span: Any = {"Start": first.isoformat(), "End": (last + timedelta(days=1)).isoformat()}
    services = ce.get_dimension_values(TimePeriod=span, Dimension="SERVICE", SearchString="Bedrock")
    # Models that are sold on the Marketplace are services of their own: "Claude Opus 5.5 (Amazon Bedrock Edition)".
    names = sorted(each["Value"] for each in services["DimensionValues"])
    return [] if not names else list(_rows(ce, span, names))


def _rows(ce: "CostExplorerClient", span: Any, services: list[str]) -> Iterator[Billed]:
    token: dict[str, Any] = {}
    while True:
        page = ce.get_cost_and_usage(
            TimePeriod=span,
            Granularity="DAILY",
            Metrics=[METRIC],
            Filter={
                "And": [
                    {"Dimensions": {"Key": "SERVICE", "Values": services}},
                    {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": _NOT_USAGE}}},
                ]
            },
            GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
            **token,
        )
        for result in page["ResultsByTime"]:
            for group in result.get("Groups", []):
                yield _billed(date.fromisoformat(result["TimePeriod"]["Start"]), group)
        if "NextPageToken" not in page:
            return
        token = {"NextPageToken": page["NextPageToken"]}


def _billed(day: date, group: Any) -> Billed:
    service, usage_type = group["Keys"]
    cost = group["Metrics"][METRIC]
    if cost["Unit"] != "USD":
        raise BillError(f"the bill is in {cost['Unit']}; metered figures are in USD and are not converted")
    return Billed(day=day, product=service, usage_type=usage_type, principal=None, usd=Decimal(cost["Amount"]))
