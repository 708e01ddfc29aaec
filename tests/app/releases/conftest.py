"""Releases stand on the farm of the builds' tests."""

from tests.app.builds.conftest import administrator_of, make_farm

__all__ = ["administrator_of", "make_farm"]
