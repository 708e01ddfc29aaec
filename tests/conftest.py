"""Where the portal's packages are installed, its fixtures; where only the framework is, its tests alone."""

from importlib.util import find_spec

if find_spec("flask") and find_spec("sqlalchemy"):
    from tests.portal import *  # noqa: F403
else:
    # A release is tested in an environment that holds the wheel and nothing of the portal.
    collect_ignore = ["app", "architecture", "system"]
