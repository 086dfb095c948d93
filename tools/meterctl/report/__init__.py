"""``meterctl report``: what was used and spent, as a table, a page, CSV or JSON.

Wherever the figures come from (`sources`), they become one `Report` (`model`), and every output is written from that.
"""
