"""The log door: Bedrock's invocation log, metered."""
