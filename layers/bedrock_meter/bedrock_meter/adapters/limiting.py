"""What the settings of a deployment say about limits."""

from bedrock_meter.config import Settings, zone
from bedrock_meter.limiter import Policy


def policy_of(settings: Settings) -> Policy:
    """Give what a deployment decides about limits."""
    return Policy(
        fail_open=settings.fail_mode == "open",
        allow_unpriced=settings.unpriced == "allow",
        hold_estimate=settings.hold == "estimate",
        default_max_output_tokens=settings.default_max_output_tokens,
        zone=zone(settings.time_zone),
    )
