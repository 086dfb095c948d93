"""The outside, one module for each piece of it. The core knows none of these."""
