"""The version, a literal: a Lambda layer carries no package metadata to read it from."""

__version__ = "0.1.0"
