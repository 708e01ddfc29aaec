"""Pages of people: records, the queue of proposals, the log of decisions, claims, and what readers say is wrong."""

from app.people.views import claims, queue, records, remarks
from app.people.views.records import blueprint, nav

__all__ = ["blueprint", "claims", "nav", "queue", "records", "remarks"]
