"""Pages of contributions, one module for each page or subject, over one foundation."""

from app.contributions import cards
from app.contributions.views import downloads, modules, organizations, overview, people, repositories
from app.contributions.views.foundation import blueprint, nav

__all__ = ["blueprint", "cards", "downloads", "modules", "nav", "organizations", "overview", "people", "repositories"]
