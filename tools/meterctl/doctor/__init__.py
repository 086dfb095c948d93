"""``meterctl doctor``: checks an account end to end and says what to do.

A check is a small function of a `World` (`model`) and a row in the table of `command`; it does no more than read.
"""
