"""The three stores of counters, each ready for use, and a DynamoDB that carries out one request at a time."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from awshttp.credentials import EnvironmentCredentials
from awshttp.dynamodb import DynamoDb
from bedrock_meter.adapters.dynamodb import DynamoLimitStore
from bedrock_meter.adapters.localfile import LocalFile
from bedrock_meter.adapters.memory import MemoryLimitStore
from bedrock_meter.adapters.sqlite import SqliteLimitStore
from bedrock_meter.ports import LimitStore

REGION = "us-east-1"
PATIENCE = 60.0
"""The contract is about what is counted, and the machine may be busy."""


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's own name
        """Print nothing."""


@contextmanager
def dynamodb_server() -> Iterator[str]:
    """Run moto's DynamoDB on a free port; give its URL.

    Without threads: moto's updates are not atomic, and a server that answers one request after the other makes them so.
    """
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client_of(url: str, *, timeout: float = PATIENCE) -> DynamoDb:
    """Make our light client of a local DynamoDB."""
    credentials = EnvironmentCredentials("AKIATEST", "secret", None)
    return DynamoDb(region=REGION, credentials=lambda: credentials, url=url, timeout=timeout)


def make_table(client: DynamoDb) -> str:
    """Make a new table as the template declares it, and give its name."""
    name = f"limits-{uuid4()}"
    client.send(
        "CreateTable",
        {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        },
    )
    return name


@contextmanager
def memory_store(_url: str, _folder: Path) -> Iterator[LimitStore]:
    """Give a store in memory."""
    yield MemoryLimitStore()


@contextmanager
def sqlite_store(_url: str, folder: Path) -> Iterator[LimitStore]:
    """Give a store in a new file."""
    with closing(LocalFile(folder / "meter.db", timeout=PATIENCE)) as file:
        yield SqliteLimitStore(file)


@contextmanager
def dynamodb_store(url: str, _folder: Path) -> Iterator[LimitStore]:
    """Give a store in a new table."""
    with closing(client_of(url)) as client:
        yield DynamoLimitStore(client.send, make_table(client))
