"""``meterctl account``: what is set for a whole AWS account, by hand."""
