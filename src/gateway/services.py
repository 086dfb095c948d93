"""The AWS services besides Bedrock that a gateway uses, each made when it is first asked for."""

from awshttp.awsjson import JsonService
from awshttp.credentials import Provider
from awshttp.dynamodb import DynamoDb
from awshttp.eventbridge import EventBridge
from bedrock_meter.adapters.dynamodb import Send
from bedrock_meter.adapters.limiting import DYNAMODB, EVENTBRIDGE
from bedrock_meter.config import Settings


class AwsServices:
    """The services of one deployment.

    Args:
        settings: The settings, which may say where a service is.
        region: The Region.
        credentials: Where the credentials come from.
    """

    def __init__(self, settings: Settings, *, region: str, credentials: Provider) -> None:
        self._urls = {DYNAMODB: settings.aws_endpoint_url_dynamodb, EVENTBRIDGE: settings.aws_endpoint_url_eventbridge}
        self._region = region
        self._credentials = credentials
        self._made: dict[str, JsonService] = {}

    def transport(self, name: str) -> Send:
        """Give what carries out the operations of a service."""
        if name not in self._made:
            kind = _KINDS[name]
            self._made[name] = kind(region=self._region, credentials=self._credentials, url=self._urls[name])
        return self._made[name].send

    def close(self) -> None:
        """Close the connections that are kept."""
        for service in self._made.values():
            service.close()


_KINDS: dict[str, type[JsonService]] = {DYNAMODB: DynamoDb, EVENTBRIDGE: EventBridge}
