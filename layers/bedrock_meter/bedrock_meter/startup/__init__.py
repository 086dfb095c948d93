"""The folder that the layer's wrapper puts on ``PYTHONPATH``; nothing but `sitecustomize` is in it."""
