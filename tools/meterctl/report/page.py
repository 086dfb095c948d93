"""A report as one HTML file that needs nothing else: no network, no second file; readable without its plots."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from string import Template

from plotly.io import to_html
from plotly.offline import get_plotlyjs

from bedrock_meter import __version__
from meterctl.report.charts import Chart, charts
from meterctl.report.model import Report
from meterctl.report.terminal import dollars
from meterctl.summary import TOKEN_METRICS, Row, together

_COLUMNS = ("Use case", "Model", "Calls", "Errors", "Input", "Output", "Cache read", "Cache write", "USD")

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bedrock usage, $since to $until</title>
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; padding: 1.5rem;
  max-width: 70rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0; } .quiet { color: #555; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
dl div { border: 1px solid #d0d0d0; border-radius: .4rem; padding: .5rem .75rem; }
dt { color: #555; font-size: .85rem; } dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #e3e3e3; vertical-align: top; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
td:nth-child(2) { min-width: 12em; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid #1a1a1a; white-space: nowrap; } tfoot td, tfoot th { font-weight: 600; border: 0; }
figure { margin: 0; } figcaption { color: #555; font-size: .9rem; }
@media print {
  @page { size: A4; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } section { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; } tr { break-inside: avoid; }
}
</style>
<script>$plotly</script>
</head>
<body>
<header>
<h1>Bedrock usage</h1>
<p>$since to $until UTC, by $period</p>
<p class="quiet">From $source. Costs are estimates at list prices; the bill of AWS decides.</p>
</header>
<main>
<dl>$figures</dl>
<section aria-labelledby="by-model">
<h2 id="by-model">By use case and model</h2>
<div class="wide" tabindex="0" role="region" aria-labelledby="by-model">$table</div>
$remark
</section>
$charts
</main>
<footer><p class="quiet">bedrock-meter $version</p></footer>
$printing
</body>
</html>
""")

_CHART = Template("""<section aria-labelledby="$id-title">
<h2 id="$id-title">$title</h2>
<figure aria-labelledby="$id-title" aria-describedby="$id-text">
<figcaption id="$id-text">$sentence</figcaption>
$plot
</figure>
</section>
""")

# A plot is as wide as the window that it was drawn for; on paper it has to be as wide as a page of A4.
_PRINTING = """<script>
const plots = () => document.querySelectorAll(".js-plotly-plot");
addEventListener("beforeprint", () => plots().forEach(
  plot => Plotly.relayout(plot, { autosize: false, width: 690, height: 290 })));
addEventListener("afterprint", () => plots().forEach(
  plot => Plotly.relayout(plot, { autosize: true, width: null, height: 340 })));
</script>"""

_PERIODS = {1: "second", 60: "minute", 300: "five minutes", 3600: "hour", 86400: "day"}


def page(report: Report) -> str:
    """Write the page."""
    rows = together(report.rows)
    drawn = charts(report)
    unpriced = sum(row.unpriced for row in rows)
    plotted = any(chart.figure is not None for chart in drawn)
    remark = f"<p>+ {unpriced:,} calls have no price in the price book and are not in the sum.</p>" if unpriced else ""
    return _PAGE.substitute(
        since=f"{report.since:%Y-%m-%d %H:%M}",
        until=f"{report.until:%Y-%m-%d %H:%M}",
        period=_PERIODS[int(report.period.total_seconds())],
        source=escape(report.source),
        figures="".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _figures(rows)),
        table=_table(rows),
        remark=remark,
        # The library is most of the file, and none of it where there is nothing to draw.
        plotly=get_plotlyjs() if plotted else "",
        printing=_PRINTING if plotted else "",
        charts="".join(map(_section, drawn)),
        version=__version__,
    )


def _figures(rows: Sequence[Row]) -> Iterable[tuple[str, str]]:
    calls, errors = sum(row.calls for row in rows), sum(row.errors for row in rows)
    tokens = sum(sum(row.tokens.values()) for row in rows)
    yield "Spend, USD", f"{sum((row.cost for row in rows), Decimal(0)):,.4f}"
    yield "Calls", f"{calls:,}"
    yield "Tokens", f"{tokens:,}"
    yield "Calls that failed", f"{errors:,} ({errors / calls:.1%})" if calls else "0"


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    body = "".join(f"<tr>{_cells(row.use_case, row.model, row)}</tr>" for row in rows)
    whole = Row(use_case="Together", model="")
    for row in rows:
        whole.merge(row)
    foot = f"<tr>{_cells(whole.use_case, whole.model, whole)}</tr>"
    caption = "<caption hidden>Calls, tokens and dollars by use case and model</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"


def _cells(use_case: str, model: str, row: Row) -> str:
    numbers = (row.calls, row.errors, *(row.tokens[name] for name in TOKEN_METRICS))
    shown = [f"{number:,}" for number in numbers] + [dollars(row)]
    cells = "".join(f"<td>{text}</td>" for text in (escape(model), *shown))
    return f'<th scope="row">{escape(use_case)}</th>{cells}'


def _section(chart: Chart) -> str:
    plot = ""
    if chart.figure is not None:
        config = {"displayModeBar": False, "responsive": True}
        plot = to_html(chart.figure, include_plotlyjs=False, full_html=False, div_id=chart.id, config=config)
    return _CHART.substitute(id=chart.id, title=chart.title, sentence=escape(chart.sentence), plot=plot)
