"""Workflows of the search: what is due is indexed several times a minute, ranks are looked at several times a day."""

from __future__ import annotations

from app.jobs import StepContext, Workflow, schedule
from app.search import queries

index = Workflow("search", title="Index what changed", attempts=1)
ranks = Workflow("search-ranks", title="Look at who is active", attempts=1)
schedule("search", every_s=20, workflow="search")
schedule("search-ranks", every_s=6 * 3600, workflow="search-ranks")


@index.step("index")
def index_due(step: StepContext) -> int:
    """Index what is due; a killed worker's successor goes on with the batch that was not whole."""
    return queries.work_off(step.db, say=lambda done: step.progress(None, f"{done:,} looked at"))


@ranks.step("missing")
def ask_for_missing(step: StepContext) -> int:
    """Have indexed what has no entry, whatever became of its place on the list."""
    return queries.ask_for_missing(step.db)


@ranks.step("look")
def look_at_ranks(step: StepContext) -> int:
    """Index anew those who were ranked by less work, or more."""
    return queries.refresh_ranks(step.db)
