"""The figure of the repositories beside each other: how much is done in each, by how many, for how many."""

from __future__ import annotations

from app import charts
from app.contributions import queries
from app.contributions.figures.drawing import About, longest, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.queries.repository_work import work_by_repository
from app.wording import share

_SEVERAL = "A commit that several repositories hold stands in each of them."


@figure("repositories", "Commits by repository", "commits", scopes=("everything", "organization", "person"))
def by_repository(look: Look) -> Drawn:
    """Code changes of each repository beside each other, the most commits first."""
    found = work_by_repository(look.session, look.scope, look.window)
    known = {one.id: one for one in queries.repositories(look.session)}
    ranked = sorted(((known[number], work) for number, work in found.items() if number in known and work.commits),
                    key=lambda both: (-both[1].commits, both[0].name))  # fmt: skip
    total = sum(work.commits for _, work in ranked)
    rows, bars, about = [], [], []
    for one, work in ranked:
        url = look.url("contributions.overview", repository=one.public_id)
        rows.append((one.name, work.commits, round(work.commits / total, 4), work.people, work.organizations,
                     work.added, work.deleted, round(work.unknown / work.commits, 4)))  # fmt: skip
        who = "1 person" if work.people == 1 else f"{work.people:,} people"
        told = share(work.commits / total) + ("" if look.scope.person else f", {who}")
        bars.append(charts.Bar(one.name, work.commits, told, url))
        about.append(About.repository(one, url))
    with_lines = sum(work.with_lines for _, work in ranked)
    without = sum(work.without_lines for _, work in ranked)
    columns = ("repository", "commits", "share", "people", "organizations", "added", "deleted", "unattributed share")
    heads = ("Repository", "Commits", "Share", "People", "Organizations", "Lines added", "Lines deleted",
             "Unattributed")  # fmt: skip
    return Drawn(columns, rows, charts.bars("Commits by repository", longest(bars)),
                 table("Commits by repository", heads, rows, about),
                 sum(work.unknown for _, work in ranked) / total if total else None,
                 lines_counted=1 - without / with_lines if with_lines else None, notes=(_SEVERAL,))  # fmt: skip
