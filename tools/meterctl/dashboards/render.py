"""``meterctl dashboards render``: pictures of the dashboards, drawn by Grafana's libraries in a headless Chromium."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from meterctl.cloudwatch import CloudWatch
from meterctl.dashboards import build, sample
from meterctl.dashboards.errors import DashboardError
from meterctl.dashboards.picture import picture

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 1600
_ROW, _GAP, _HEAD = 30, 8, 190
_DRAWING_MS = 15_000
"""Virtual time that the page gets; the browser takes the picture when nothing is left to do."""
_TIMEOUT_SECONDS = 120


def pages(folder: Path) -> Path:
    """Give the folder of the built page.

    Raises:
        DashboardError: It has not been built.
    """
    page = folder / "render" / "dist"
    if not (page / "index.html").is_file():
        raise DashboardError(["the page that draws is not built; run `make render`, which needs npm"])
    return page


def browser() -> str:
    """Find a browser that can take pictures.

    Raises:
        DashboardError: There is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise DashboardError(["no Chromium is installed; on Debian: apt-get install chromium"])
    return found


def render(
    boards: Mapping[str, Mapping[str, Any]],
    cloudwatch: CloudWatch,
    *,
    page: Path,
    output: Path,
    now: datetime,
    theme: str,
) -> list[Path]:
    """Take a picture of each dashboard.

    Raises:
        DashboardError: There is no browser, or it took no picture.
    """
    chromium = browser()
    output.mkdir(parents=True, exist_ok=True)
    taken = []
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch, "site")
        shutil.copytree(page, site)
        with _Site(site) as url:
            for name, board in boards.items():
                drawn = picture(board, cloudwatch, now=now, theme=theme)
                (site / "dashboard.js").write_text(f"window.__dashboard__ = {json.dumps(drawn)};", encoding="utf-8")
                target = output / f"{name}.png"
                _take(chromium, url, target, height=_height(board), profile=Path(scratch, "profile"))
                taken.append(target)
    return taken


def _height(board: Mapping[str, Any]) -> int:
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    return int(rows * (_ROW + _GAP) + _HEAD)


def _take(chromium: str, url: str, target: Path, *, height: int, profile: Path) -> None:
    target.unlink(missing_ok=True)
    command = [
        chromium,
        "--headless",
        "--no-sandbox",  # the page is our own, and in a container there is no other way
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{height}",
        f"--virtual-time-budget={_DRAWING_MS}",
        f"--screenshot={target}",
        url,
    ]
    subprocess.run(command, check=False, capture_output=True, timeout=_TIMEOUT_SECONDS)  # noqa: S603 - our own page
    if not target.is_file():
        raise DashboardError([f"{Path(chromium).name} took no picture of {target.stem}"])


class _Site:
    """Serves a folder on 127.0.0.1 while the ``with`` block runs; a page of modules does not load from a file."""

    def __init__(self, folder: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def draw(*, folder: Path, output: Path, emf: Path | None, now: datetime, theme: str, only: Sequence[str]) -> list[Path]:
    """Draw the dashboards of a deployment with default names.

    Args:
        folder: ``grafana/`` of a checkout.
        output: Where the pictures go.
        emf: The lines that they show; None shows a made-up month.
        now: When they are looked at; aware.
        theme: ``dark`` or ``light``.
        only: Only these; empty draws all.

    Raises:
        DashboardError: A name is unknown, or nothing can be drawn.
    """
    boards = build.boards(build.Target())
    if unknown := [name for name in only if name not in boards]:
        raise DashboardError([f"{name} is none of the dashboards {', '.join(boards)}" for name in unknown])
    cloudwatch = CloudWatch(region=sample.REGION)
    if emf is None:
        sample.fill(cloudwatch, now=now)
    else:
        with emf.open(encoding="utf-8") as lines:
            cloudwatch.put_emf(lines, now=now)
    chosen = {name: board for name, board in boards.items() if not only or name in only}
    return render(chosen, cloudwatch, page=pages(folder), output=output, now=now, theme=theme)
