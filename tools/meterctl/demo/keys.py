"""The scene of the keys: who may not call, and what boto3 makes of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from meterctl.demo import traffic
from meterctl.demo.gateway import Deployment, application
from meterctl.demo.registry import PLAYGROUND

EXPECTED = "AccessDeniedException"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A call that has to be refused."""

    what: str
    """What is wrong with it."""
    error: Exception | None
    """What boto3 raised; None when the call went through."""

    @property
    def raised(self) -> str:
        """The class of the exception."""
        return type(self.error).__name__

    @property
    def message(self) -> str:
        """What the gateway had to say."""
        return str(self.error.response["Error"]["Message"]) if isinstance(self.error, ClientError) else str(self.error)


def run(deployment: Deployment) -> list[Tried]:
    """Make the calls."""
    keys = deployment.keys
    call = traffic.converse(traffic.NOVA, "May I?", max_tokens=20)
    found = []
    for what, key in (
        ("a key that nobody made", keys.unknown),
        ("a revoked key", keys.revoked),
        (f"a model that {PLAYGROUND} may not call", keys.good[PLAYGROUND]),
    ):
        with application(deployment.environment(key)) as bedrock:
            found.append(Tried(what=what, error=traffic.attempt(call, bedrock)))
    return found


def show(console: Console, tried: Sequence[Tried]) -> None:
    """Print what became of them."""
    table = Table(box=None, pad_edge=False)
    table.add_column("call with", no_wrap=True)
    table.add_column("boto3 raises", no_wrap=True)
    table.add_column("message")
    for one in tried:
        table.add_row(one.what, one.raised, one.message)
    console.print(table)


def problems(tried: Sequence[Tried]) -> Iterator[str]:
    """Give a sentence for each call that was not refused as it should be."""
    for one in tried:
        if one.raised != EXPECTED:
            yield f"{one.what}: boto3 raised {one.raised} and not {EXPECTED}"
