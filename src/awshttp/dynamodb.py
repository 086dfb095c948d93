"""DynamoDB's API, for whoever must not wait for botocore: ``DynamoDb(…).send("GetItem", {…})``.

Operations and their documents: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
"""

from awshttp.awsjson import JsonService
from bedrock_meter.errors import DynamoDbError


class DynamoDb(JsonService):
    """DynamoDB in one Region. Its errors are `DynamoDbError`."""

    _service = "dynamodb"
    _target = "DynamoDB_20120810"
    _content_type = "application/x-amz-json-1.0"
    _error = DynamoDbError
