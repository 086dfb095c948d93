"""Signed HTTP to AWS without botocore, whose import alone takes longer than a function's whole start should."""
