"""An entry of the simulator's ledger."""

from meterctl.simulate import Served

SERVED = Served(
    request_id="r1",
    operation="Converse",
    model_id="amazon.nova-lite-v1:0",
    http_status=200,
    error_code=None,
    fault=None,
    input_tokens=10,
    output_tokens=20,
    cache_read_tokens=1,
    cache_write_5m_tokens=2,
    cache_write_1h_tokens=3,
    complete=True,
    at=1_700_000_000.5,
    latency_ms=40,
)
"""A call that went well, with a different count in every bucket."""
