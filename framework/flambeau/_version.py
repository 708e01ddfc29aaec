"""The version of this checkout; a release build writes its own in its place."""

__version__ = "0.1.0.dev0"
