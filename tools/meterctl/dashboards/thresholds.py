"""When an alert fires. `infra/observability.yaml` has the same numbers for CloudWatch alarms; a test compares them."""

LATENCY_P99_MS = 30_000
"""p99 of the whole answer over 15 minutes, in milliseconds."""
SERVER_ERROR_PERCENT = 5
"""5xx of all calls in 5 minutes."""
CLIENT_ERROR_PERCENT = 25
"""4xx of all calls in 5 minutes, throttles and denials apart."""
MIN_CALLS = 20
"""Fewer calls in 5 minutes are no rate."""
THROTTLES = 50
"""Throttled calls of one use case and model in 5 minutes."""
DENIALS = 50
"""Denied calls of one use case and model in 5 minutes."""
SPEND_PERCENT = 150
"""Spend of the last 24 hours, against the daily mean of the 7 days before them."""
SPEND_MIN_USD = 1
"""Less spent in 24 hours is no anomaly that anybody has to look at."""
BUDGET_WARNING_PERCENT, BUDGET_SPENT_PERCENT = 80, 100
UNMETERED_PERCENT = 2
"""Tokens that AWS counted and the meter did not, of all."""
METERED_TOO_MUCH_PERCENT = 5
"""By how much the meter's count of tokens is above AWS's, as the mean of the hours of a day."""
UNPRICED = 0
"""Calls without a price in an hour; one more than this fires, here and below."""
METER_FAULTS = 0
"""Faults in 15 minutes."""
REJECTED_LINES = 0
"""EMF lines that CloudWatch rejected in 15 minutes."""
SILENT_CALLS = 0
"""Calls that reached the API in 15 minutes while no metric line came."""
