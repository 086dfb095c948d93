"""What goes wrong with prices before they are in the book."""

from bedrock_meter import MeterError


class PriceDataError(MeterError):
    """Price data that cannot be taken over as it is; the message names the entry or the row."""
