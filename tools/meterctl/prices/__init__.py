"""The price book: built from a pinned table of prices and reviewed rules, checked, and shown to people."""
