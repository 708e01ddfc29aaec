"""What programs can ask for, one module a subject; importing them registers the operations in the document's order."""

from app.api.answers import foundation, organizations, people, bodies, modules, work, changes, issues, releases  # isort: skip
from app.api.answers import figures, log, search  # isort: skip

__all__ = [
    "bodies",
    "changes",
    "figures",
    "foundation",
    "issues",
    "log",
    "modules",
    "organizations",
    "people",
    "releases",
    "search",
    "work",
]
