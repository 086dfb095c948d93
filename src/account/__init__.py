"""Bedrock's model invocation logging, switched on and off by a stack, without touching what others set."""
