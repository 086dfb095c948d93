"""Import and first call of the authorizer in a fresh interpreter, against a minimal one over boto3's resource.

Each run is a process of its own that starts, imports, answers one event and ends; its CPU time counts. Both authorizers
read the same key from the same simulated DynamoDB, which runs in another process; ours reads the use cases too.
"""

import json
import os
import statistics
import sys
from contextlib import closing
from datetime import UTC, datetime

from benchmarks.measure import REGION, Row, Target, clean_environment, cpu_of_child, report, server_process
from tests.contract.limits.stores import client_of, make_table

from bedrock_meter.adapters.dynamoregistry import DynamoRegistry
from bedrock_meter.gatekeys import SEED_BYTES, digest, mint, text_of
from bedrock_meter.registry import Key, UseCase

RUNS = 15
TARGET_RATIO = 0.5

KEY_ID, SECRET = mint(os.urandom(SEED_BYTES))
METHOD_ARN = f"arn:aws:execute-api:{REGION}:123456789012:a1b2c3d4e5/prod/POST/model/x/converse"
EVENT = {"methodArn": METHOD_ARN, "multiValueHeaders": {"Authorization": [f"Bearer {text_of(KEY_ID, SECRET)}"]}}

OURS = f"""
import json
from authorizer.app import lambda_handler

print(json.dumps(lambda_handler(json.loads({json.dumps(EVENT)!r}), None)))
"""

# What such an authorizer has at least: the same lookup, the same comparison, the same policy.
RESOURCE = f"""
import hashlib, hmac, json, os
import boto3

table = boto3.resource("dynamodb").Table(os.environ["BEDROCK_METER_TABLE"])

def lambda_handler(event, context):
    text = event["multiValueHeaders"]["Authorization"][0].removeprefix("Bearer ")
    _, key_id, secret = text.split("-", 2)
    item = table.get_item(Key={{"pk": f"KEY#{{key_id}}", "sk": "KEY"}}, ConsistentRead=True).get("Item")
    good = item and hmac.compare_digest(hashlib.sha256(secret.encode()).hexdigest(), item["secret_sha256"])
    api, stage, *_ = event["methodArn"].split("/")
    effect = "Allow" if good else "Deny"
    statement = {{"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{{api}}/{{stage}}/*/*"}}
    policy = {{"Version": "2012-10-17", "Statement": [statement]}}
    return {{"principalId": key_id, "policyDocument": policy, "context": {{"key_id": key_id}}}}

print(json.dumps(lambda_handler(json.loads({json.dumps(EVENT)!r}), None)))
"""

PROGRAMS = {"ours": OURS, "resource": RESOURCE, "interpreter": ""}

_DYNAMODB = """
import sys
from tests.contract.limits.stores import dynamodb_server
with dynamodb_server() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def prepare(url: str) -> dict[str, str]:
    """Make the table, and give the environment of both authorizers."""
    with closing(client_of(url)) as client:
        table = make_table(client)
        registry = DynamoRegistry(client.send, table)
        now = datetime.now(UTC)
        key = Key(
            id=KEY_ID, secret_sha256=digest(SECRET), use_cases=("bench",), default_use_case="bench", created_at=now
        )
        assert registry.add(UseCase(name="bench"))
        assert registry.add(key)
    return clean_environment(
        AWS_ENDPOINT_URL_DYNAMODB=url, AWS_LAMBDA_FUNCTION_NAME="authorizer", BEDROCK_METER_TABLE=table
    )


def check_answers(environment: dict[str, str]) -> None:
    """Fail unless both let the key in, and give the same policy."""
    answers = [
        json.loads(cpu_of_child([sys.executable, "-c", PROGRAMS[name]], environment)[1])
        for name in ("ours", "resource")
    ]
    assert answers[0]["policyDocument"] == answers[1]["policyDocument"]
    assert answers[0]["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert answers[0]["context"]["key_id"] == answers[1]["context"]["key_id"] == KEY_ID


def main() -> None:
    """Check, measure, print."""
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with server_process(_DYNAMODB) as url:
        environment = prepare(url)
        check_answers(environment)  # which also leaves every module compiled
        for _ in range(RUNS):
            for name, program in PROGRAMS.items():
                times[name].append(cpu_of_child([sys.executable, "-c", program], environment)[0])
    medians = {name: statistics.median(samples) for name, samples in times.items()}
    report(
        "Authorizer: import and first call in a fresh interpreter",
        "ms of CPU per process",
        [
            Row(name="ours: import, use cases, first key", samples=times["ours"]),
            Row(name="boto3 resource: import, table, first key", samples=times["resource"]),
            Row(name="the interpreter alone", samples=times["interpreter"]),
        ],
        [Target(name="ratio of the medians", value=medians["ours"] / medians["resource"], limit=TARGET_RATIO)],
    )


if __name__ == "__main__":
    main()
