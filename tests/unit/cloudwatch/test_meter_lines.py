"""The lines of the meter itself, in the local CloudWatch."""

from datetime import timedelta

from tests.builders import NOON, a_record, an_emf

from bedrock_meter import metrics
from meterctl.cloudwatch import CloudWatch


def test_every_metric_and_dimension_set_of_a_call_arrives() -> None:
    """Nothing of a line is dropped; each metric is there in the dimension sets that ``metrics.DIRECTIVES`` promises."""
    cloudwatch = CloudWatch()
    record = a_record()
    intake = cloudwatch.put_emf([an_emf().line(record)], now=NOON + timedelta(minutes=1))
    assert (intake.taken, intake.dropped) == (1, ())
    found = {
        (metric["MetricName"], frozenset(entry["Name"] for entry in metric["Dimensions"]))
        for metric in cloudwatch.list_metrics(now=NOON + timedelta(minutes=1))["Metrics"]
    }
    promised = {
        (name, frozenset(keys))
        for directive in metrics.DIRECTIVES.values()
        for name in directive.metrics
        for keys in directive.dimension_sets
    }
    assert found <= promised
    for name in (metrics.INVOCATIONS, metrics.INPUT_TOKENS, metrics.OUTPUT_TOKENS, metrics.LATENCY):
        assert {pair for pair in promised if pair[0] == name} <= found


def test_the_sum_of_calls_is_exact() -> None:
    """A hundred calls give a hundred times the tokens of one, for the service and for the use case and model."""
    cloudwatch = CloudWatch()
    record = a_record()
    assert record.usage is not None
    assert record.usage.input is not None
    cloudwatch.put_emf([an_emf().line(record)] * 100, now=NOON + timedelta(minutes=1))
    search = f"SEARCH('Namespace=BedrockMeter MetricName=\"{metrics.INPUT_TOKENS}\"', 'Sum', 3600)"
    answer = cloudwatch.get_metric_data(
        now=NOON + timedelta(minutes=2),
        StartTime=NOON - timedelta(minutes=30),
        EndTime=NOON + timedelta(minutes=30),
        MetricDataQueries=[{"Id": "e", "Expression": search}],
    )
    assert [result["Values"] for result in answer["MetricDataResults"]] == [[100 * record.usage.input]] * 2
