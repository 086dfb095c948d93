"""Log lines as CloudWatch Logs delivers them to a function."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any


def pack(events: Sequence[Mapping[str, Any]], *, account: str, group: str, stream: str, filter_name: str) -> str:
    """Write the ``data`` of a delivery.

    Args:
        events: The lines: ``id``, ``timestamp`` in milliseconds since the epoch, ``message``.
        account: Whose log it is.
        group: The log group.
        stream: The log stream.
        filter_name: The subscription that delivers them.
    """
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": account,
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [filter_name],
        "logEvents": list(events),
    }
    return base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
