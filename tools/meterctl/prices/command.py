"""``meterctl prices``: build, verify, check and show the price book; modules of their own refresh and approve it."""

from datetime import date
from pathlib import Path

import click
from rich.table import Table

from bedrock_meter import modelid
from bedrock_meter.pricing import PriceBook
from meterctl.prices import build, check, coverage, models, rules, wheel
from meterctl.prices.approve import approve
from meterctl.prices.options import Day, console, today
from meterctl.prices.refresh import refresh
from pricewatch import book
from pricewatch.errors import PriceDataError

REPOSITORY = Path(__file__).parents[3]
LOCK = REPOSITORY / "requirements" / "prices.lock"
DOWNLOADS = REPOSITORY / ".local" / "prices"
SECOND_OPINION = REPOSITORY / ".prices-venv" / "bin" / "python"
OURS = "reviewed rules of bedrock-meter"

# One Region of each geography, and the profiles that are called from it.
COMPARED = {
    "us-east-1": ("", "us", "global"),
    "eu-central-1": ("eu",),
    "ap-northeast-1": ("jp", "apac"),
    "ap-southeast-2": ("au",),
    "ap-south-1": ("in",),
}


@click.group("prices")
def command() -> None:
    """Build, verify, check, show, refresh and approve the price book."""


for _command in (approve, refresh):
    command.add_command(_command)


@command.command("build")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail when the book would change.")
@click.option("--offline", is_flag=True, help="Take the packages that an earlier run downloaded.")
@click.option("--day", type=Day(), default=today, help="The day from which changed prices hold; today when left out.")
def build_command(only_check: bool, offline: bool, day: date) -> None:
    """Build the book and the list of models from the pinned packages and the reviewed rules.

    Rows are appended and never edited, so a second run changes nothing.
    """
    if not LOCK.exists():
        raise PriceDataError(f"{LOCK.name} is not there: the book is built in a checkout of the repository")
    if not offline:
        wheel.download(LOCK, DOWNLOADS)
    published, table = (wheel.read(LOCK, DOWNLOADS, wanted) for wanted in (wheel.MODELS, wheel.PRICES))
    listed = models.cut(published.text, source=published.source)
    before = book.PATH.read_text(encoding="utf-8") if book.PATH.exists() else ""
    after = build.document(
        before,
        table.text,
        source=table.source,
        rules=rules.load(),
        models=models.parse(listed),
        others=(published.source, OURS),
        day=day,
    )
    changed = [path for path, text in ((book.PATH, after), (models.PATH, listed)) if not _is(path, text)]
    if only_check and changed:
        raise PriceDataError(f"{' and '.join(path.name for path in changed)} would change; run `meterctl prices build`")
    for path, text in ((book.PATH, after), (models.PATH, listed)):
        if path in changed:
            path.write_text(text, encoding="utf-8")
    rows = book.verify(after)
    click.echo(f"{len(rows)} rows, {len({row['model'] for row in rows})} models, from {table.source}; ", nl=False)
    click.echo(f"{' and '.join(path.name for path in changed) or 'nothing'} changed")


@command.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=book.PATH)
def verify_command(file: Path) -> None:
    """Check a book by itself: schema, checksum, order, every row. Needs no network."""
    text = file.read_text(encoding="utf-8")
    rows = book.verify(text)
    PriceBook.from_json(text)
    click.echo(f"{file.name}: {len(rows)} rows, {len({row['model'] for row in rows})} models")


@command.command("check")
@click.option("--second-opinion", is_flag=True, help="Compare with genai-prices too (make prices-check).")
@click.option("--day", type=Day(), default=today, help="The day whose prices are checked; today when left out.")
def check_command(second_opinion: bool, day: date) -> None:
    """Show which ACTIVE text models have a price, and hold the book against a second opinion."""
    prices = PriceBook.from_json(book.PATH.read_text(encoding="utf-8"))
    listed = models.load()
    _print_coverage(coverage.cover(prices, listed, day=day))
    if second_opinion:
        _print_differences(prices, listed, day)


@command.command("show")
@click.argument("model")
@click.option("--region", help="Only what holds for calls in this Region.")
@click.option("--scope", type=click.Choice(book.SCOPES), help="Only this scope.")
@click.option("--tier", type=click.Choice(book.TIERS), help="Only this service tier.")
@click.option("--day", type=Day(), default=today, help="The day whose prices are shown; today when left out.")
def show_command(model: str, region: str | None, scope: str | None, tier: str | None, day: date) -> None:
    """Show the prices of MODEL: a model id, or the id of a profile."""
    asked = modelid.parse(model, region)
    if scope is None and asked.profile is not None and asked.scope is not None:
        scope = asked.scope.value
    rows = book.holding(book.verify(book.PATH.read_text(encoding="utf-8")), day=day, region=region)
    found = [
        row
        for row in rows
        if row["model"] == asked.base and scope in {None, row["scope"]} and tier in {None, row["tier"]}
    ]
    if not found:
        raise PriceDataError(f"no price for {model} with these options on {day}")
    _print_rows(found)


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _print_coverage(found: list[coverage.Coverage]) -> None:
    table = Table("model", "ways to call it", "priced", box=None, pad_edge=False)
    for each in found:
        priced = "all" if each.whole else f"{each.ways - len(each.unpriced)}: not {', '.join(each.unpriced[:3])}"
        more = " …" if len(each.unpriced) > 3 else ""  # noqa: PLR2004 - three examples show which they are
        table.add_row(each.model.id, str(each.ways), priced + more)
    console().print(table)
    whole = sum(each.whole for each in found)
    click.echo(f"\n{whole} of {len(found)} ACTIVE text models are priced in every way that they can be called")


def _print_differences(prices: PriceBook, listed: tuple[models.Model, ...], day: date) -> None:
    known = check.explanations()
    unexplained, used, total = [], set(), 0
    for region, geos in COMPARED.items():
        opinion = check.ask(SECOND_OPINION, _ids(listed, region, geos))
        both, found = check.compare(prices, opinion, region=region, day=day)
        total += both
        for difference in found:
            why = check.explain(difference, known)
            if why is None:
                unexplained.append(difference)
            else:
                used.add(why.pattern.pattern)
    click.echo(f"{total} ids are priced by the second opinion too; {len(unexplained)} differ without an explanation")
    for each in unexplained:
        click.echo(f"  {each.model_id} above {each.above}, {each.rate}: {each.ours} here, {each.theirs} there")
    idle = [each.pattern.pattern for each in known if each.pattern.pattern not in used]
    if unexplained or idle:
        raise PriceDataError(
            f"look at {check.DIFFERENCES.name}: {', '.join(idle) or 'a difference has no explanation'}"
        )


def _ids(listed: tuple[models.Model, ...], region: str, geos: tuple[str, ...]) -> list[str]:
    ids = []
    for model in listed:
        ids += [model.id] if "" in geos else []
        ids += [f"global.{model.id}"] if "global" in geos and model.everywhere else []
        ids += [f"{geo}.{model.id}" for geo in geos if region in model.geos.get(geo, ())]
    return ids


def _print_rows(rows: list[book.Row]) -> None:
    names = sorted({name for row in rows for name in row["rates"]}, key=book.place_of_rate)
    table = Table("scope", "region", "tier", "above", "since", box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("source")
    for row in rows:
        rates = (row["rates"].get(name, "-") for name in names)
        table.add_row(
            row["scope"], row["region"], row["tier"], f"{row['above']:,}", row["valid_from"], *rates, row["source"]
        )
    console().print(table)
    click.echo("\nUS dollars: per 1,000,000 tokens for input, output and cache, for one of every other unit")
