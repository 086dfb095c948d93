"""A Lambda function that calls Bedrock itself and is metered by the layer: one line more than without it.

Invoke it with ``{"question": "…"}``. It answers ``{"answer": "…"}`` and leaves one EMF line in its log.
"""

import os
from typing import Any

import boto3

import bedrock_meter

MODEL_ID = os.environ.get("MODEL_ID", "us.anthropic.claude-haiku-4-5-20251001-v1:0")

bedrock = boto3.client("bedrock-runtime")
bedrock_meter.instrument(bedrock, use_case="faq-bot")


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Ask the model one question."""
    answer = bedrock.converse(
        modelId=MODEL_ID,
        messages=[{"role": "user", "content": [{"text": event["question"]}]}],
        inferenceConfig={"maxTokens": 300},
    )
    return {"answer": answer["output"]["message"]["content"][0]["text"]}
