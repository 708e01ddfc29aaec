"""What pages and the API ask of the search: find, and keep the index as the rows are."""

from app.search.queries.finding import MOST_TEXT, Found, find
from app.search.queries.keeping import ask_for_missing, is_behind, rebuild, refresh, refresh_ranks, work_off
from app.search.queries.showing import Hit

__all__ = [
    "MOST_TEXT",
    "Found",
    "Hit",
    "ask_for_missing",
    "find",
    "is_behind",
    "rebuild",
    "refresh",
    "refresh_ranks",
    "work_off",
]
