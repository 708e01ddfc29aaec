"""Pages of members: what everybody sees, the forms that keep the records, and what organizations propose."""

from app.members.views import keeping, proposals, showing
from app.members.views.room import blueprint, nav

__all__ = ["blueprint", "keeping", "nav", "proposals", "showing"]
