"""``meterctl usecases``, ``keys`` and ``limits``: the registry, in a DynamoDB table or in a local file."""
