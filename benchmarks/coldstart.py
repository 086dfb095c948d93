"""Import and first call in a fresh interpreter: the gateway's handler against a boto3 client, by CPU time.

Each run is a process of its own that starts, imports, makes one call and ends. All that it uses counts, also the start
of the interpreter, which both sides pay alike and which the table shows by itself.
"""

import json
import statistics
import sys

from benchmarks.handler import BODY, EVENT, MODEL
from benchmarks.measure import Row, Target, clean_environment, cpu_of_child, report, simulator_process

from meterctl.simulate import Simulator

RUNS = 15
TARGET_RATIO = 0.5

GATEWAY = f"""
import json
from gateway.app import lambda_handler

class Context:
    aws_request_id = "bench"
    def get_remaining_time_in_millis(self):
        return 60_000

print(lambda_handler(json.loads({json.dumps(EVENT)!r}), Context())["body"])
"""

BOTO3 = f"""
import boto3

client = boto3.client("bedrock-runtime")
print(client.invoke_model(modelId={MODEL!r}, body={BODY!r})["body"].read().decode())
"""

PROGRAMS = {"gateway": GATEWAY, "boto3": BOTO3, "interpreter": ""}


def run(program: str, url: str) -> tuple[float, list[str]]:
    """Run one program against a Bedrock; give its CPU milliseconds and the lines that it printed."""
    environment = clean_environment(
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url,
        AWS_LAMBDA_FUNCTION_NAME="gateway",
        BEDROCK_METER_UPSTREAM_URL=url,
        BEDROCK_METER_USE_CASE="bench",
    )
    used, printed = cpu_of_child([sys.executable, "-c", program], environment)
    return used, printed.splitlines()


def check_answer() -> None:
    """Fail unless both programs print the same answer, and the gateway an EMF line with the tokens that were served."""
    with Simulator() as bedrock:
        _, (expected,) = run(BOTO3, bedrock.url)
    with Simulator() as bedrock:
        _, (line, answer) = run(GATEWAY, bedrock.url)
        (served,) = bedrock.ledger
    assert answer == expected
    record = json.loads(line)
    assert (record["InputTokenCount"], record["OutputTokenCount"]) == (served.input_tokens, served.output_tokens)
    assert record["ColdStart"] == 1


def main() -> None:
    """Check, measure, print."""
    check_answer()  # which also leaves every module compiled
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with simulator_process() as url:
        for _ in range(RUNS):
            for name, program in PROGRAMS.items():
                times[name].append(run(program, url)[0])
    medians = {name: statistics.median(samples) for name, samples in times.items()}
    report(
        "Import and first call in a fresh interpreter",
        "ms of CPU per process",
        [
            Row(name="gateway: import, build, first event", samples=times["gateway"]),
            Row(name="boto3: import, client, first invoke_model", samples=times["boto3"]),
            Row(name="the interpreter alone", samples=times["interpreter"]),
        ],
        [Target(name="ratio of the medians", value=medians["gateway"] / medians["boto3"], limit=TARGET_RATIO)],
    )


if __name__ == "__main__":
    main()
