"""A checker for CloudWatch's Embedded Metric Format: CloudWatch itself ignores a wrong line without a word.

Written from the published specification, without looking at the encoder under test:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import math
from typing import Any

from jsonschema import Draft202012Validator

MAX_EVENT_BYTES = 1024 * 1024
MAX_DIMENSION_VALUE = 1024
MAX_VALUES = 100

# The StandardUnit type of the CloudWatch API:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_SIZES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits")
_AMOUNTS = (*_SIZES, "Terabits", "Count")
UNITS = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Percent",
    "None",
    *_AMOUNTS,
    *(f"{unit}/Second" for unit in _AMOUNTS),
]

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {"type": "array", "items": {"$ref": "#/$defs/directive"}},
            },
        }
    },
    "$defs": {
        "directive": {
            "type": "object",
            "required": ["Namespace", "Dimensions", "Metrics"],
            "additionalProperties": False,
            "properties": {
                "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                "Dimensions": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "array",
                        "maxItems": 30,
                        "uniqueItems": True,
                        "items": {"type": "string", "minLength": 1, "maxLength": 250},
                    },
                },
                "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"$ref": "#/$defs/metric"}},
            },
        },
        "metric": {
            "type": "object",
            "required": ["Name"],
            "additionalProperties": False,
            "properties": {
                "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                "Unit": {"enum": UNITS},
                "StorageResolution": {"enum": [1, 60]},
            },
        },
    },
}
_VALIDATOR = Draft202012Validator(SCHEMA)


def problems(line: str) -> list[str]:
    """Tell everything that is wrong with a line, without its line end; an empty list for a valid one."""
    found = []
    if "\n" in line or "\r" in line:
        found.append("the event is more than one line")
    if len(line.encode()) >= MAX_EVENT_BYTES:
        found.append("the event is too large")
    try:
        root = json.loads(line, parse_constant=_refuse, object_pairs_hook=_unique)
    except ValueError as error:
        return [*found, f"not JSON: {error}"]
    broken = [f"{error.json_path}: {error.message[:120]}" for error in _VALIDATOR.iter_errors(root)]
    if broken:
        return found + broken
    for directive in root["_aws"]["CloudWatchMetrics"]:
        found += _of_dimensions(root, directive["Dimensions"])
        found += _of_metrics(root, directive["Metrics"])
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _of_dimensions(root: dict[str, Any], sets: list[list[str]]) -> list[str]:
    found = []
    for name in sorted({name for dimension_set in sets for name in dimension_set}):
        value = root.get(name)
        # What PutMetricData says of a dimension's value holds for the metric that CloudWatch makes of it.
        if not isinstance(value, str) or not value.strip() or not value.isascii() or value.startswith(":"):
            found.append(f"dimension {name} has no usable value")
        elif len(value) > MAX_DIMENSION_VALUE:
            found.append(f"dimension {name} is too long")
        elif any(ord(character) < ord(" ") for character in value):
            found.append(f"dimension {name} has a control character")
    return found


def _of_metrics(root: dict[str, Any], metrics: list[dict[str, Any]]) -> list[str]:
    found = []
    for name in (metric["Name"] for metric in metrics):
        values = root.get(name)
        listed = values if isinstance(values, list) else [values]
        if not listed or len(listed) > MAX_VALUES:
            found.append(f"metric {name} has {len(listed)} values")
        if not all(_is_number(value) for value in listed):
            found.append(f"metric {name} is no number")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
