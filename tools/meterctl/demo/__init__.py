"""``meterctl demo``: the whole path on this machine, with unmodified boto3 clients and a simulated Bedrock."""
