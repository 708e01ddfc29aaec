"""Pages of people: their records, the queue of proposals and the log of decisions, and what readers say is wrong."""

from app.people.views import queue, records, remarks
from app.people.views.records import blueprint, nav

__all__ = ["blueprint", "nav", "queue", "records", "remarks"]
