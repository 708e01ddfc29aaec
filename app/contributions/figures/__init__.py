"""The published figures: a registry by key, filled by one module for each subject, for pages, downloads and cards.

One more figure is one more function under `@figure(...)` in a module that is imported here.
"""

from app.contributions.figures import (
    apart,
    changes,
    comparing,
    headline,
    health,
    issues,
    modules,
    newcomers,
    organizations,
    paths,
    people,
    quality,
    repositories,
    reviews,
    work,
)
from app.contributions.figures.figure import FIGURES, Drawn, Figure, Registered, figure
from app.contributions.figures.look import Look
from app.contributions.figures.reading import BadAddress, NothingThere, read_figure, read_look, read_scope

__all__ = [
    "FIGURES",
    "BadAddress",
    "Drawn",
    "Figure",
    "Look",
    "NothingThere",
    "Registered",
    "apart",
    "changes",
    "comparing",
    "figure",
    "headline",
    "health",
    "issues",
    "modules",
    "newcomers",
    "organizations",
    "paths",
    "people",
    "quality",
    "read_figure",
    "read_look",
    "read_scope",
    "repositories",
    "reviews",
    "work",
]
