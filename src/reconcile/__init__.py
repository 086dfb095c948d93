"""What was metered against what the account used: by the hour as a function, by hand as ``meterctl reconcile``.

It is no part of the library: a function that mounts the layer never reconciles, so it should not carry this.
"""
