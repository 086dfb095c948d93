"""The API Gateway authorizer in front of the gateway: it knows keys, and nothing of Bedrock."""
