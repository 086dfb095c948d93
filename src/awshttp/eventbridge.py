"""EventBridge's API without botocore: ``EventBridge(…).send("PutEvents", {…})``.

Operations and their documents: https://docs.aws.amazon.com/eventbridge/latest/APIReference/
"""

from awshttp.awsjson import JsonService


class EventBridge(JsonService):
    """EventBridge in one Region. Its errors are `AwsError`."""

    _service = "events"
    _target = "AWSEvents"
    _content_type = "application/x-amz-json-1.1"
