"""Every panel, on traffic whose figures are known: the simulator's ledger, the script, and arithmetic."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.functional.dashboards import world as known
from tests.functional.dashboards.world import CHATBOT, NOVA, NOW, SUMMARIZER, World
from tests.functional.gateway.calls import CLAUDE

from meterctl.dashboards.build import BOARDS
from meterctl.grafana.compile import Variable
from meterctl.grafana.run import options, run_panel

GRAFANA = Path(__file__).parents[3] / "grafana"
FILES: Mapping[str, Any] = {
    board.slug: json.loads((GRAFANA / "dashboards" / f"{board.slug}.json").read_text(encoding="utf-8"))
    for board in BOARDS
}
CALCS = {(board.slug, panel.title): panel.calc for board in BOARDS for row in board.rows for panel in row.panels}
METRIC_PANELS: list[tuple[str, Mapping[str, Any]]] = [
    (slug, panel)
    for slug, board in FILES.items()
    for panel in board["panels"]
    if any(target["queryMode"] == "Metrics" for target in panel.get("targets", []))
]
"""What the local CloudWatch can answer; the others ask Logs Insights, and only the linter reads those."""
each_panel = pytest.mark.parametrize(
    ("slug", "panel"), [pytest.param(slug, panel, id=f"{slug}: {panel['title']}") for slug, panel in METRIC_PANELS]
)
SINGLE: Mapping[str, str] = {
    "datasource": "cloudwatch",
    "region": "default",
    "service": known.SERVICE,
    "function": known.FUNCTION,
    "api": known.API,
    "table": known.TABLE,
    "quota": "1000000",
    "loggroup": "arn:aws:logs:us-east-1:123456789012:log-group:meter:*",
}

# List prices per million tokens, typed from AWS's price list and not read from the book.
CLAUDE_PRICE = {"input": "3.3", "output": "16.5", "read": "0.33", "write_5m": "4.125", "write_1h": "6.6"}
NOVA_PRICE = {"input": "0.06", "output": "0.24"}


def variables(use_cases: tuple[str, ...] = ("*",), models: tuple[str, ...] = ("*",)) -> list[Variable]:
    """Give the variables of a dashboard with what is chosen in them."""
    several = {"usecase": use_cases, "model": models}
    chosen = [Variable(name=name, values=values, multi=True) for name, values in several.items()]
    return [*chosen, *(Variable(name=name, values=(value,)) for name, value in SINGLE.items())]


def cost(world: World, use_case: str = "", model: str = "") -> float:
    """Compute what the script costs, from the simulator's ledger and the prices above."""
    total = Decimal(0)
    for sent, entry in world.served:
        if use_case in {"", sent.use_case} and model in {"", sent.model}:
            price = NOVA_PRICE if sent.model == NOVA else CLAUDE_PRICE
            counts = {
                "input": entry.input_tokens,
                "output": entry.output_tokens,
                "read": entry.cache_read_tokens,
                "write_5m": entry.cache_write_5m_tokens,
                "write_1h": entry.cache_write_1h_tokens,
            }
            total += sum((count * Decimal(price[kind]) for kind, count in counts.items() if count), Decimal(0))
    return float(total / 1_000_000)


def expected(world: World) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Give the value of each series of each panel, by dashboard and title."""
    earlier = float(known.EARLIER_USD)
    whole, chat, summary = cost(world), cost(world, CHATBOT), cost(world, SUMMARIZER)
    nova = cost(world, model=NOVA)
    tokens: Mapping[str, float] = {kind: world.tokens(f"{kind.replace(' ', '_')}_tokens") for kind in _KINDS}
    every_token = sum(tokens.values())
    # Calls that Bedrock accepted: 13 that succeeded, the one with a 5xx (decision 5), and of the lines of the emitter
    # the estimate; and the earlier call.
    accepted_now, accepted = 15, 16
    pairs = {f"{CHATBOT} {CLAUDE}": chat - nova, f"{CHATBOT} {NOVA}": nova, f"{SUMMARIZER} {CLAUDE}": summary}
    prompt = tokens["input"] + tokens["cache read"] + tokens["cache write"]
    used = {"chatbot-month": 42.5, "team-day": 12.0}
    one_call: Mapping[str, float] = {f"{CHATBOT} {CLAUDE}": 1}
    several: Mapping[str, float] = {f"{CHATBOT} {CLAUDE}": 2, f"{CHATBOT} {NOVA}": 1}
    deployed = {"Deployments": {"0.4.2": 1.0}}
    return {
        "spend": {
            **deployed,
            "Spend today": {"USD": whole},
            "Spend this month": {"USD": whole + earlier},
            "Forecast, 30 days": {"USD": (whole + earlier) * 30 / 7},
            "Cost per request": {"USD per request": (whole + earlier) / accepted},
            "Cost per 1,000 tokens": {"USD per 1,000 tokens": (whole + earlier) * 1000 / every_token},
            "Calls without a price": {"calls": 1},
            "Budget used": used,
            "Cost per 1,000 tokens, over time": {"USD per 1,000 tokens": whole * 1000 / every_token},
            "Saved by the cache": {
                "of the input bill": (0.9 * tokens["cache read"] - 0.25 * tokens["cache write"]) / prompt * 100
            },
            "Spend by use case": {CHATBOT: chat + earlier, SUMMARIZER: summary},
            "Spend by model": {CLAUDE: whole - nova + earlier, NOVA: nova},
            "Top use cases": {CHATBOT: chat + earlier, SUMMARIZER: summary},
            "Spend of the chosen use cases and models": {
                **pairs,
                f"{CHATBOT} {CLAUDE}": pairs[f"{CHATBOT} {CLAUDE}"] + earlier,
            },
            # The mean of two points: the minute of the script, and the earlier call.
            "Cost per request, chosen": {"USD per request": (whole / accepted_now + earlier) / 2},
            "Budget used, over time": used,
            "Calls without a price, by model": one_call,
        },
        "operations": {
            **deployed,
            "Requests by outcome": {
                "succeeded": 13,
                "client errors": 1,
                "server errors": 1,
                "throttled": 3,
                "denied": 1,
            },
            "Error rate by class": {
                "client errors": 1 / 19 * 100,
                "server errors": 1 / 19 * 100,
                "throttled": 3 / 19 * 100,
                "denied": 1 / 19 * 100,
            },
            # 11 of 13 took 1000 ms, and two 9000 ms.
            "Latency": {"p50": 1000, "p90": 9000, "p99": 9000},
            "Time to first token": dict.fromkeys(("p50", "p90", "p99"), 250),
            "Output tokens per second": dict.fromkeys(("p50", "p90", "p99"), 40),
            "Requests by use case": {CHATBOT: 11, SUMMARIZER: 4},
            "Requests by model": {CLAUDE: 12, NOVA: 3},
            "Server errors": {f"{SUMMARIZER} {CLAUDE}": 1},
            "Client errors": one_call,
            "Throttles": several,
            "p99 latency by use case": {CHATBOT: 9000, SUMMARIZER: 9000},
            "p99 latency by model": {CLAUDE: 9000, NOVA: 1000},
            "p90 time to first token by use case": {CHATBOT: 250},
            "p90 time to first token by model": {CLAUDE: 250},
            "Output tokens per second by use case": {CHATBOT: 40},
            "Output tokens per second by model": {CLAUDE: 40},
            "Quota used": {CLAUDE: 250_000},
            "Quota headroom": {CLAUDE: 75},
        },
        "tokens": {
            **deployed,
            **{f"{kind.capitalize()} tokens": {kind: tokens[kind]} for kind in _KINDS},
            "Tokens by kind": tokens,
            "Cache hit rate": {"hit rate": tokens["cache read"] / prompt * 100},
            "Share of estimates": {"estimated": 1 / accepted_now * 100},
            **{
                f"{kind.capitalize()} tokens by use case": {
                    name: world.tokens(f"{kind}_tokens", use_case=name) for name in (CHATBOT, SUMMARIZER)
                }
                for kind in ("input", "output")
            },
            **{
                f"{kind.capitalize()} tokens by model": {
                    name: world.tokens(f"{kind}_tokens", model=name) for name in (CLAUDE, NOVA)
                }
                for kind in ("input", "output")
            },
            "Cache read tokens, chosen": {f"{SUMMARIZER} {CLAUDE}": tokens["cache read"]},
            "Cache write tokens, chosen": {f"{SUMMARIZER} {CLAUDE}": tokens["cache write"]},
            "Tokens per request, chosen": {kind: tokens[kind] / accepted_now for kind in _KINDS},
        },
        "health": {
            **deployed,
            "Input tokens, metered and AWS's": {"metered": tokens["input"], "AWS/Bedrock": 7000},
            "Output tokens, metered and AWS's": {"metered": tokens["output"], "AWS/Bedrock": 8000},
            "Unmetered share": {"all models": 1.5, CLAUDE: 1.5},
            "Unmetered tokens": {"all models": 30, CLAUDE: 30},
            "Drift": {"all models": 0.25, CLAUDE: 0.25},
            "Meter faults": {"meter faults": 1},
            "Usage disagreements": {"usage disagreements": 1},
            "Price drift": {"price drift": 3},
            "Cold starts": {"cold starts": 1},
            "Lines that CloudWatch rejected": {"not readable": 1, "not valid": 1},
            "Overhead of the meter": {"p50": 1.5, "p99": 1.5},
            # 30 s for 20 calls at half a gigabyte, and 0.20 + 3.50 + 0.35 USD.
            "Our own cost per million calls": {"USD per million calls": 1.5 * 0.5 * 13.3334 + 4.05},
        },
        "platform": {
            **deployed,
            "Throttled calls": several,
            "Denied calls": {f"{CHATBOT} other": 1},
            "Bedrock: invocations": {CLAUDE: 21},
            "Bedrock: throttles": {CLAUDE: 4},
            "Bedrock: errors": {f"4xx {CLAUDE}": 5, f"5xx {CLAUDE}": 6},
            "Bedrock: p99 latency and first token": {f"whole {CLAUDE}": 1234, f"first {CLAUDE}": 321},
            "Lambda: invocations": {"invocations": 20, "errors": 1, "throttles": 2},
            "Lambda: duration": {"p50": 30_000, "p99": 30_000},
            "Lambda: environments at once": {"at once": 9},
            "API Gateway: requests": {"requests": 22, "4xx": 3, "5xx": 1},
            "API Gateway: p99 latency": {"whole": 1300, "gateway function": 1250},
            "DynamoDB: capacity used": {"read": 11, "write": 12},
            "DynamoDB: throttles": {"read": 1, "write": 2},
            "DynamoDB: latency": {"UpdateItem": 6.5},
        },
    }


_KINDS = ("input", "output", "cache read", "cache write")


@each_panel
def test_a_panel_shows_what_happened(world: World, slug: str, panel: Mapping[str, Any]) -> None:
    """Each series of the panel has the name and the value that arithmetic gives; none is missing, none too many."""
    calc = CALCS.get((slug, panel["title"]), "sum")
    found = run_panel(world.cloudwatch, FILES[slug], panel, variables(), now=NOW)
    assert {series.name: series.reduce(calc) for series in found} == pytest.approx(
        expected(world)[slug][panel["title"]]
    )


def test_every_metric_panel_has_an_expectation(world: World) -> None:
    """No panel is left out of the arithmetic, and no expectation is of a panel that is gone."""
    shown = {(slug, panel["title"]) for slug, panel in METRIC_PANELS}
    assert {(slug, title) for slug, panels in expected(world).items() for title in panels} == shown


@each_panel
@pytest.mark.parametrize(
    ("use_cases", "models"),
    [((CHATBOT,), (CLAUDE,)), ((CHATBOT, SUMMARIZER), (CLAUDE, NOVA)), ((CHATBOT,), ("*",)), (("*",), (CLAUDE,))],
    ids=["one", "several", "one use case", "one model"],
)
def test_a_panel_answers_whatever_is_chosen(
    world: World, slug: str, panel: Mapping[str, Any], use_cases: tuple[str, ...], models: tuple[str, ...]
) -> None:
    """A single value makes another kind of query than several or all; every kind is one that CloudWatch answers."""
    found = run_panel(world.cloudwatch, FILES[slug], panel, variables(use_cases, models), now=NOW)
    somewhere_else = {"Server errors", "Cache read tokens, chosen", "Cache write tokens, chosen", "Denied calls"}
    assert found or panel["title"] in somewhere_else


def test_what_is_chosen_is_what_is_shown(world: World) -> None:
    """A panel of chosen use cases and models has the pairs of the choice only, and SUM sums only them."""
    board = FILES["spend"]
    panels = {panel["title"]: panel for panel in board["panels"]}
    chosen = variables((SUMMARIZER,), (CLAUDE,))
    (pair,) = run_panel(world.cloudwatch, board, panels["Spend of the chosen use cases and models"], chosen, now=NOW)
    assert pair.reduce("sum") == pytest.approx(cost(world, SUMMARIZER))
    (mean,) = run_panel(world.cloudwatch, board, panels["Cost per request, chosen"], chosen, now=NOW)
    assert mean.reduce("mean") == pytest.approx(cost(world, SUMMARIZER) / 4)


@pytest.mark.parametrize(
    ("slug", "variable", "offered"),
    [
        ("spend", "service", [known.SERVICE]),
        ("spend", "usecase", [CHATBOT, SUMMARIZER]),
        ("spend", "model", [NOVA, CLAUDE]),
        ("health", "function", [known.FUNCTION]),
        ("platform", "function", [known.FUNCTION]),
        ("platform", "api", [known.API]),
        ("platform", "table", [known.TABLE]),
    ],
)
def test_a_variable_offers_what_there_is(world: World, slug: str, variable: str, offered: list[str]) -> None:
    """Each variable that asks for values of a dimension offers those that occurred, in every dashboard that has it."""
    listed = {each["name"]: each for each in FILES[slug]["templating"]["list"]}
    assert options(world.cloudwatch, listed[variable]["query"], variables(), now=NOW) == offered


def test_every_variable_is_run_or_asks_no_metric() -> None:
    """The variables beside those of the test above ask for Regions, log groups, a data source or a number."""
    asked = {"service", "usecase", "model", "function", "api", "table"}
    others = {"datasource": None, "region": "regions", "loggroup": "logGroups", "quota": None}
    for board in FILES.values():
        for variable in board["templating"]["list"]:
            query = variable["query"]
            kind = query["queryType"] if isinstance(query, dict) else None
            assert (variable["name"] in asked) is (kind == "dimensionValues")
            assert variable["name"] in asked or others[variable["name"]] == kind
