"""Logs Insights queries that several panels lead to."""

CALLS = (
    "filter ispresent(request_id) | stats count(*) as calls by use_case, model_base, operation, status "
    "| sort calls desc"
)
FAILED = (
    'filter status != "ok" | stats count(*) as calls by status, error_code, http_status, use_case, model_base '
    "| sort calls desc"
)
SLOW = (
    "filter ispresent(duration_ms) | fields @timestamp, use_case, model_base, duration_ms, bedrock_latency_ms, "
    "output_tokens, request_id | sort duration_ms desc | limit 50"
)
