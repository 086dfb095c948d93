"""Bedrock's logging configuration, read and written: what a `Plan` says is done, and looked at again afterwards."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from account.policy import Conflict, LoggingConfig, Plan, described, same

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock.type_defs import LoggingConfigTypeDef

RETRY_SECONDS = 5.0
"""Bedrock tries the role out when it is named, and a role that was just made is not known everywhere yet."""

_NOT_YET = "ValidationException"


class LoggingSetting:
    """The setting of one account and Region.

    Args:
        client: Bedrock's control plane.
        wait: Waits for so many seconds and tells whether there is time to try again.
    """

    def __init__(self, client: "BedrockClient", wait: Callable[[float], bool]) -> None:
        self._client = client
        self._wait = wait

    def read(self) -> LoggingConfig | None:
        """Give what is there; None for nothing."""
        answer = self._client.get_model_invocation_logging_configuration()
        return cast("LoggingConfig | None", answer.get("loggingConfig")) or None

    def apply(self, plan: Plan) -> None:
        """Do what a plan says.

        Raises:
            Conflict: Somebody else wrote at the same time; theirs stands, and nothing more was done.
            ClientError: Bedrock refused.
        """
        if plan.delete:
            self._client.delete_model_invocation_logging_configuration()
        elif plan.put is not None:
            self._put(plan.put)
        else:
            return
        after = self.read()
        if not same(after, plan.put):
            raise Conflict(f"Somebody else changed the invocation logging at the same time: now {described(after)}.")

    def _put(self, config: LoggingConfig) -> None:
        while True:
            try:
                self._client.put_model_invocation_logging_configuration(
                    loggingConfig=cast("LoggingConfigTypeDef", dict(config))
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != _NOT_YET or not self._wait(RETRY_SECONDS):
                    raise
            else:
                return
