"""Pages of contributions, one module for each page or subject, over one foundation."""

from app.contributions import cards, remarks
from app.contributions.views import (
    downloads,
    modules,
    newcomers,
    organizations,
    overview,
    people,
    quality,
    repositories,
    reviews,
)
from app.contributions.views.foundation import blueprint, nav

__all__ = [
    "blueprint",
    "cards",
    "downloads",
    "modules",
    "nav",
    "newcomers",
    "organizations",
    "overview",
    "people",
    "quality",
    "remarks",
    "repositories",
    "reviews",
]
