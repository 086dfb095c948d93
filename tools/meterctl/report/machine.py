"""A report for machines: CSV and JSON, one object for each use case, model and period."""

import csv
import io
import json
from typing import Any

from meterctl.report.model import Report
from meterctl.summary import ERROR_METRICS, TOKEN_METRICS, Row

COLUMNS = ("at", "UseCase", "ModelId", "calls", *TOKEN_METRICS, *ERROR_METRICS, "cost_usd", "unpriced")
"""The metrics have their own names, so that a column can be looked up in docs/metrics.md."""
SCHEMA = 1


def as_csv(report: Report) -> str:
    """Write the rows as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(row) for row in report.rows)
    return text.getvalue()


def as_json(report: Report) -> str:
    """Write the whole report as one JSON object; money is a decimal string, so that no digit is lost."""
    document = {
        "schema": SCHEMA,
        "source": report.source,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "period_seconds": int(report.period.total_seconds()),
        "rows": [_record(row) for row in report.rows],
        "latencies_ms": [
            {
                "at": each.at.isoformat(),
                "UseCase": each.use_case,
                **{f"p{percent}": value for percent, value in each.values.items()},
            }
            for each in report.latencies
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _record(row: Row) -> dict[str, Any]:
    return {
        "at": "" if row.at is None else row.at.isoformat(),
        "UseCase": row.use_case,
        "ModelId": row.model,
        "calls": row.calls,
        **row.tokens,
        **{name: row.faults.get(name, 0) for name in ERROR_METRICS},
        "cost_usd": f"{row.cost:f}",
        "unpriced": row.unpriced,
    }
