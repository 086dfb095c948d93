"""The pictures: what the page is given to draw, and the browser that is asked to draw it."""

import json
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterctl.cloudwatch import CloudWatch
from meterctl.dashboards import build, render, sample
from meterctl.dashboards.errors import DashboardError
from meterctl.dashboards.picture import choose, picture
from meterctl.grafana.run import run_panel, start_of

NOW = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
BOARDS = build.boards(build.Target())
QUIET = {"Client errors", "Lines that CloudWatch rejected", "Meter faults", "Usage disagreements"}
"""What is empty in good times, and should be."""
BROWSER = """#!{python}
import sys, urllib.request
url = sys.argv[-1]
target = next(word.partition("=")[2] for word in sys.argv if word.startswith("--screenshot="))
page, data = (urllib.request.urlopen(url + name).read() for name in ("index.html", "dashboard.js"))
open(target, "wb").write(page + data)
"""
"""A browser that takes no picture but what it was given to draw."""


@pytest.fixture(scope="module")
def month() -> CloudWatch:
    """A CloudWatch with the last day of the made-up month."""
    cloudwatch = CloudWatch(region=sample.REGION)
    sample.fill(cloudwatch, now=NOW, days=1)
    return cloudwatch


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_of_the_month_is_empty(name: str, month: CloudWatch) -> None:
    """A panel that asks for metrics gets some, unless it counts what went wrong; one that asks for logs says so."""
    drawn = picture(BOARDS[name], month, now=NOW, theme="dark")
    panels = {panel["id"]: panel for panel in BOARDS[name]["panels"]}
    for panel in drawn["panels"]:
        modes = {target["queryMode"] for target in panels[panel["id"]].get("targets", [])}
        assert bool(panel.get("frames")) == ("Metrics" in modes and panel["title"] not in QUIET), panel["title"]
        assert ("note" in panel) == (modes == {"Logs"})
        assert "$" not in panel.get("title", "")


def test_a_frame_is_what_the_query_gave(month: CloudWatch) -> None:
    """Times are milliseconds; names and values are those of the series."""
    board = BOARDS["spend"]
    panel = next(panel for panel in board["panels"] if panel["title"] == "Spend by use case")
    series = run_panel(month, board, panel, choose(board, month, now=NOW), now=NOW)
    drawn = next(one for one in picture(board, month, now=NOW, theme="dark")["panels"] if one["id"] == panel["id"])
    assert {frame["name"] for frame in drawn["frames"]} == {stream.use_case for stream in sample.STREAMS}
    for one, frame in zip(series, drawn["frames"], strict=True):
        time, value = frame["fields"]
        assert time["values"] == [at.timestamp() * 1000 for at, _ in one.points]
        assert value["values"] == [number for _, number in one.points]


def test_every_dashboard_is_drawn(
    month: CloudWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    """The browser is given the page with the data of one dashboard after the other, and leaves a file for each."""
    fake = tmp_path / "bin" / "chromium"
    fake.parent.mkdir()
    fake.write_text(BROWSER.format(python=sys.executable))
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(fake.parent))
    taken = render.render(BOARDS, month, page=page, output=tmp_path / "img", now=NOW, theme="light")
    assert [path.stem for path in taken] == list(BOARDS)
    for path, board in zip(taken, BOARDS.values(), strict=True):
        text = path.read_text()
        assert text.startswith("<html>")
        given = json.loads(text.partition("window.__dashboard__ = ")[2].rstrip(";"))
        assert (given["title"], given["theme"]) == (board["title"], "light")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page as `make render` builds it, as far as it matters here."""
    folder = tmp_path / "render" / "dist"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<html>")
    return render.pages(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the page, without a browser, or with a name that is none, a sentence says what to do."""
    with pytest.raises(DashboardError, match="make render"):
        render.pages(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DashboardError, match="apt-get install chromium"):
        render.browser()
    with pytest.raises(DashboardError, match="invented is none of the dashboards spend, "):
        render.draw(folder=tmp_path, output=tmp_path, emf=None, now=NOW, theme="dark", only=["invented"])


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now-24h", datetime(2026, 11, 24, 16, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 18, 16, 0, tzinfo=UTC)),
        ("now/d", datetime(2026, 11, 25, tzinfo=UTC)),
        ("now/M", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_time_ranges(text: str, start: datetime) -> None:
    """The ways in which our dashboards write a start are read; others are refused."""
    assert start_of(text, NOW) == start
    with pytest.raises(ValueError, match="now-1w/w"):
        start_of("now-1w/w", NOW)
