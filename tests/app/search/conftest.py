"""The invented foundation of the API's tests, to be searched."""

from tests.app.api.conftest import filled_file, own_portal, portal

__all__ = ["filled_file", "own_portal", "portal"]
