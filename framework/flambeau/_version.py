"""Which Flambeau this is. A build of the foundation's farm writes its own version, commit and origin in their place."""

__version__ = "0.1.0.dev0"
__commit__: str | None = None
__origin__ = "checkout"
