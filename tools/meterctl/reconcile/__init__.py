"""``meterctl reconcile``: what was metered against Bedrock's own metrics, and against the bill."""
