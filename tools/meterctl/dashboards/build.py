"""Every file that `meterctl dashboards build` writes."""

import json
from collections.abc import Iterator
from pathlib import Path

from meterctl.dashboards import health, operations, platform, spend, tokens
from meterctl.dashboards.board import Board
from meterctl.dashboards.queries import Place

BOARDS: tuple[Board, ...] = (spend.BOARD, operations.BOARD, tokens.BOARD, health.BOARD, platform.BOARD)


def files(place: Place) -> Iterator[tuple[Path, str]]:
    for board in BOARDS:
        yield Path("dashboards") / f"{board.slug}.json", json.dumps(board.model(place), indent=2, sort_keys=True) + "\n"
