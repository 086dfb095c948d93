"""Hold the EMF lines against what the simulator says it served: call by call, bucket by bucket."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meterctl.simulate import Served

BUCKETS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
"""The token buckets: properties of an EMF line, and fields of the simulator's ledger."""


def differences(lines: Iterable[Mapping[str, Any]], ledger: Sequence[Served]) -> list[str]:
    """Compare every line with the ledger's entry of the same Bedrock request id.

    Args:
        lines: The EMF lines of calls that reached the simulator.
        ledger: What the simulator served.

    Returns:
        A sentence for each difference; empty when both agree to the token.
    """
    metered: dict[str, Mapping[str, Any]] = {}
    found = []
    for line in lines:
        request_id = line.get("bedrock_request_id")
        if request_id is None:
            found.append(f"the record {line.get('request_id')} names no Bedrock request")
        elif request_id in metered:
            found.append(f"{request_id} was recorded twice")
        else:
            metered[request_id] = line
    served = {entry.request_id: entry for entry in ledger}
    found += [f"{request_id} was served and not recorded" for request_id in served.keys() - metered.keys()]
    found += [f"{request_id} was recorded and not served" for request_id in metered.keys() - served.keys()]
    for request_id in served.keys() & metered.keys():
        found += _compare(metered[request_id], served[request_id])
    return found


def _compare(line: Mapping[str, Any], entry: Served) -> Iterable[str]:
    expected = {name: getattr(entry, name) for name in BUCKETS}
    expected |= {"http_status": entry.http_status, "model_id": entry.model_id}
    for name, value in expected.items():
        if line.get(name, 0) != value:
            yield f"{entry.request_id}: {name} is {line.get(name)} in the record and {value} in the simulator"
