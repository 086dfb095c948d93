"""``meterctl report``: what the EMF lines say, for people."""
