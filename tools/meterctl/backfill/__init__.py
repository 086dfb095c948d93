"""``meterctl backfill``: old invocation logs, metered as if the log door had been there."""
