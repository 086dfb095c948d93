"""The gateway: an HTTP request for Bedrock comes in, is metered on its way, and the answer goes back unchanged."""
