"""What programs can ask for, one module a subject; importing them registers the operations in the document's order."""

from app.api.answers import foundation, governance, organizations, people, bodies, modules, work, changes  # isort: skip
from app.api.answers import reviewing, issues, releases, figures, sources, reports, jobs, log, search  # isort: skip

__all__ = [
    "bodies",
    "changes",
    "figures",
    "foundation",
    "governance",
    "issues",
    "jobs",
    "log",
    "modules",
    "organizations",
    "people",
    "releases",
    "reports",
    "reviewing",
    "search",
    "sources",
    "work",
]
