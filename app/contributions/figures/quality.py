"""Figures of the data itself: what nobody knows, which questions wait, how fresh it is, and what employers rest on."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from app import charts, grids
from app.contributions import queries
from app.contributions.figures.drawing import About, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics import Kind
from app.contributions.metrics.work import lines_counted
from app.contributions.queries.quality import (
    freshness,
    hidden_people,
    known_by_repository,
    redated,
    stated_by,
    tools_over_time,
)
from app.contributions.windows import in_periods
from app.people import queries as people
from app.people.rules import StatementSource
from app.people.rules.asking import ProposalKind
from app.wording import day as written_day
from app.wording import number, share

_MOST = 15
_AGES = {7: "up to a week", 30: "up to a month", 90: "up to three months", None: "older"}
_KINDS = {ProposalKind.SAME_AS: "Two are one person", ProposalKind.BOT: "Is a bot",
          ProposalKind.ASSISTANCE: "Is a tool"}  # fmt: skip
_SOURCES = {StatementSource.SELF: "Their own word", StatementSource.STAFF: "Staff",
            StatementSource.DOCUMENT: "A document", StatementSource.IMPORT: "An imported file",
            StatementSource.EMAIL_DOMAIN: "The domain of an address"}  # fmt: skip


@dataclass(frozen=True)
class Gaps:
    """What is not known, and what waits for somebody: shares of commits (None without any), and counts."""

    unattributed: float | None
    lines_counted: float | None
    questions: int
    redated: int
    remarks: int
    hidden: int


def gaps(look: Look) -> Gaps:
    """How far the figures of these days can be trusted."""
    session = look.session
    return Gaps(look.unattributed, lines_counted(look.work), people.count_questions(session, people.Wanted()),
                redated(session, look.window), people.count_remarks(session, settled=False),
                hidden_people(session))  # fmt: skip


@figure("unattributed-over-time", "What nobody knows", "unattributed", scopes=("everything", "repository", "module"))
def unattributed(look: Look) -> Drawn:
    """The share of commits of which nobody knows for whom they were made, period by period."""
    everything = in_periods(look.periods, ((cell.first, cell.commits) for cell in look.work))
    unknown = in_periods(look.periods, ((cell.first, cell.commits) for cell in look.work if not cell.is_known))
    values = [100 * part / of if of else nan for part, of in zip(unknown, everything, strict=True)]
    rows = [(period.first.isoformat(), of, part, round(part / of, 4) if of else None)
            for period, part, of in zip(look.periods, unknown, everything, strict=True)]  # fmt: skip
    return Drawn(("from", "commits", "unattributed", "share"), rows if look.total else (),
                 charts.line("What nobody knows", look.labels, [charts.Series("Unattributed", values)], unit="%"),
                 table("What nobody knows", ("From", "Commits", "Unattributed", "Share"), rows),
                 look.unattributed)  # fmt: skip


@figure("unattributed-by-repository", "Where it is not known", "unattributed", scopes=("everything",))
def by_repository(look: Look) -> Drawn:
    """Repositories by how many of their commits are attributed to nobody's employer."""
    known = known_by_repository(look.session, look.window)
    listed = {one.id: one for one in queries.repositories(look.session)}
    ranked = sorted(known, key=lambda one: (-known[one].unknown, one))
    rows = [(listed[one].name, known[one].commits, known[one].unknown, round(known[one].share, 4)) for one in ranked]
    urls = {one: look.url("contributions.overview", repository=listed[one].public_id) for one in ranked}
    bars = [
        charts.Bar(listed[one].name, known[one].unknown, f"{share(known[one].share)} of {known[one].commits:,}",
                   urls[one], "unknown")
        for one in ranked[:_MOST]
    ]  # fmt: skip
    about = [About.repository(listed[one], urls[one]) for one in ranked]
    return Drawn(("repository", "commits", "unattributed", "share"), rows,
                 charts.bars("Unattributed commits by repository", bars) if bars else charts.NOTHING,
                 table("Where it is not known", ("Repository", "Commits", "Unattributed", "Share"), rows,
                       about))  # fmt: skip


@figure("identity-queue", "Who is who", "identity-queue", scopes=("everything",))
def identity_queue(look: Look) -> Drawn:
    """Open proposals by kind and age."""
    counted = people.open_proposals(look.session, ages=[days for days in _AGES if days is not None])
    ages = {kind: [counted.get((kind, days), 0) for days in _AGES] for kind in ProposalKind}
    rows = [(_KINDS[kind], *numbers) for kind, numbers in ages.items()]
    most = max(map(sum, ages.values()))
    lines = [
        grids.Line(_KINDS[kind], [grids.Shaded(value, number(value)) for value in numbers], None,
                   number(sum(numbers)), sum(numbers) / most if most else 0)
        for kind, numbers in ages.items()
    ]  # fmt: skip
    heads = list(_AGES.values())
    return Drawn(("kind", *heads), rows if most else (),
                 grids.heat_table("Open questions of identity", heads, lines, first="Question", figure="Open"),
                 table("Open questions of identity", ("Question", *heads), rows))  # fmt: skip


@figure("freshness", "How far each source is read", "freshness", scopes=("everything",))
def how_fresh(look: Look) -> Drawn:
    """Repositories with when they were read, whether they are behind, and lines to count; the worst first."""
    rows, lines, about = [], [], []
    for one in freshness(look.session):
        repository, due = one.repository, one.lines_due / one.commits if one.commits else 0.0
        read = repository.ingested_at
        hours = (look.as_of - read).total_seconds() / 3600 if read else None
        state = "a problem" if repository.problem else "behind" if one.is_behind else "up to date"
        rows.append((repository.name, read.isoformat() if read else "never", state, one.commits,
                     one.newest_on.isoformat() if one.newest_on else "–", one.lines_due))  # fmt: skip
        cells = [
            grids.Shaded(1.0 if hours is None else min(hours / 168, 1), written_day(read.date()) if read else "never"),
            grids.Shaded({"a problem": 1.0, "behind": 0.5}.get(state, 0), state, repository.problem),
            grids.Shaded(0, written_day(one.newest_on) if one.newest_on else "–"),
            grids.Shaded(due, "all" if not one.lines_due else f"{share(1 - due)}"),
        ]  # fmt: skip
        url = look.url("contributions.repository", public_id=repository.public_id)
        lines.append(grids.Line(repository.name, cells, url, number(one.commits)))
        about.append(About.repository(repository, url))
    heads = ("Read on", "State", "Newest commit", "Lines counted")
    left = (f"The {_MOST} that need it most, of {len(rows):,}.",) if len(rows) > _MOST else ()
    return Drawn(("repository", "read at", "state", "commits", "newest commit", "lines to count"), rows,
                 grids.heat_table("How far each source is read", heads, lines[:_MOST], first="Repository",
                                  figure="Commits", most=1.0) if lines else charts.NOTHING,
                 table("How far each source is read",
                       ("Repository", "Read at", "State", "Commits", "Newest commit", "Lines to count"), rows, about),
                 notes=("Darker needs somebody.", *left))  # fmt: skip


@figure("stated-by", "On what employers rest", "stated-by", scopes=("everything",))
def statements(look: Look) -> Drawn:
    """How many people's employers rest on which kind of source."""
    found = stated_by(look.session, look.window.until)
    rows = [(_SOURCES[source], one.people, round(one.mean_confidence / 100, 4)) for source, one in found.items()]
    bars = [charts.Bar(name, count, f"{share(sure)} sure on average") for name, count, sure in rows]
    return Drawn(("source", "people", "confidence"), rows, charts.bars("On what employers rest", bars, unit="people"),
                 table("On what employers rest", ("Source", "People", "Confidence"), rows))  # fmt: skip


@figure("bots-and-tools", "Bots and tools", "bots", scopes=("everything", "repository", "module"))
def bots_and_tools(look: Look) -> Drawn:
    """Commits by bots, and those that say a tool assisted, apart from people's."""
    found = tools_over_time(look.session, look.scope, look.window)
    sums = {kind: in_periods(look.periods, days.items()) for kind, days in found.items()}
    series = [charts.Series("By bots", sums[Kind.BOT]), charts.Series("With a tool’s help", sums[Kind.ASSISTED])]
    rows = [(period.first.isoformat(), bots, tools)
            for period, bots, tools in zip(look.periods, sums[Kind.BOT], sums[Kind.ASSISTED], strict=True)]  # fmt: skip
    has_any = any(sum(one) for one in sums.values())
    return Drawn(("from", "by bots", "with a tool's help"), rows if has_any else (),
                 charts.line("Bots and tools", look.labels, series, unit="commits"),
                 charts.figures_table("Bots and tools", look.labels, series))  # fmt: skip
