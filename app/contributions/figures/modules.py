"""Figures of the modules of governance: side by side, and on how few people one rests over time."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from app import charts
from app.contributions import queries
from app.contributions.figures.drawing import About, longest, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics.fragility import Concern, concerns
from app.contributions.queries.modules import ModuleWork, absence_over, work_by_module
from app.contributions.windows import in_periods
from app.governance.queries import current, is_governed
from app.modules import queries as modules
from app.modules.models import Module
from app.modules.queries import Maintainers
from app.wording import counted as how_many


@dataclass(frozen=True)
class Board:
    """One module beside the others: its work in the window, who maintains it today, and what speaks of fragility."""

    module: Module
    work: ModuleWork | None
    maintainers: Maintainers | None
    concerns: tuple[Concern, ...]
    trend: list[int]

    @property
    def commits(self) -> int:
        """In the window."""
        return self.work.commits if self.work else 0

    @property
    def is_fragile(self) -> bool:
        """Whether it depends on one person or nobody."""
        return any(one.is_grave for one in self.concerns)


def boards(look: Look) -> list[Board]:
    """Every module, the fragile ones first, each group by commits."""
    listed = modules.modules(look.session)
    work = work_by_module(look.session, look.scope, look.window, tuple(module.key for module in listed))
    governed = is_governed(look.session)
    kept = modules.maintainers_by_module(look.session, look.as_of.date()) if governed else {}
    fewest = current(look.session).single_maintainer.fewer_than if governed else 0
    found = []
    for module in listed:
        own, maintainers = work.get(module.key), kept.get(module.key)
        trend = in_periods(look.periods, own.trend if own else ())
        found.append(Board(module, own, maintainers, _concerns(own, maintainers, fewest), trend))
    return sorted(found, key=lambda one: (not one.is_fragile, -one.commits, one.module.position))


@figure("modules", "Modules", "commits", scopes=("everything", "repository", "organization", "person"))
def touched_modules(look: Look) -> Drawn:
    """Commits that touched each module of governance."""
    names = {module.key: module.name for module in modules.modules(look.session)}
    counted = queries.commits_by_module(look.session, look.scope, look.window)
    rows = [(names.get(key, key), commits) for key, commits in counted.items()]
    urls = {key: look.url("contributions.module", key=key) for key in names}
    bars = [charts.Bar(names.get(key, key), commits, url=urls.get(key)) for key, commits in counted.items()]
    about = [About.module(key, urls[key]) if key in urls else None for key in counted]
    return Drawn(("module", "commits"), rows, charts.bars("Modules", longest(bars)),
                 table("Modules", ("Module", "Commits"), rows, about))  # fmt: skip


@figure("modules-side-by-side", "On how few each module rests", "module-work", scopes=("everything", "repository"))
def side_by_side(look: Look) -> Drawn:
    """How many people made half of each module's commits, the fewest first, with everything beside it as a table."""
    found = boards(look)
    rows, about = [], []
    for one in found:
        about.append(About.module(one.module.key, look.url("contributions.module", key=one.module.key)))
        work, kept = one.work, one.maintainers
        rows.append((
            one.module.name, one.commits, work.people if work else 0, work.absence_factor if work else 0,
            work.organizations if work else 0, work.elephant_factor if work else None,
            round(work.unattributed, 4) if work and work.unattributed is not None else None,
            len(kept.active) if kept else None, len(kept.appointed) if kept else None,
            "; ".join(concern.text for concern in one.concerns),
        ))  # fmt: skip
    ranked = sorted(((one, one.work) for one in found if one.work), key=lambda both: (both[1].absence_factor,
                                                                                      -both[1].commits))  # fmt: skip
    bars = [
        charts.Bar(one.module.name, work.absence_factor,
                   f"of {work.people:,} made half of {how_many(work.commits, 'commit')}",
                   look.url("contributions.module", key=one.module.key), "known" if one.is_fragile else "rest")
        for one, work in ranked
    ]  # fmt: skip
    total = sum(one.commits for one in found)
    unknown = sum(one.work.unattributed * one.commits for one in found if one.work and one.work.unattributed)
    columns = ("module", "commits", "people", "absence factor", "organizations", "elephant factor",
               "unattributed share", "active maintainers", "maintainers", "concerns")  # fmt: skip
    heads = ("Module", "Commits", "People", "Absence factor", "Organizations", "Elephant factor", "Unattributed",
             "Active maintainers", "Maintainers", "Why it may be fragile")  # fmt: skip
    drawing = charts.bars("People who made half of the commits of each module", bars) if bars else charts.NOTHING
    return Drawn(columns, rows, drawing, table("Modules side by side", heads, rows, about),
                 unknown / total if total else None, of="commits, each in every module that it touched,",
                 notes=("Maintainers and who of them is active are as of today.",))  # fmt: skip


@figure("absence-over-time", "On how few people it rests", "absence-factor")
def absence_over_time(look: Look) -> Drawn:
    """The absence factor of the twelve calendar months up to the end of each period's last month."""
    ends = [min(_end_of_month(period.last), look.window.until) for period in look.periods]
    found = absence_over(look.session, look.scope, tuple(ends))
    series = [charts.Series("People who made half of a year’s commits", [number for number, _ in found])]
    rows = [(end.isoformat(), number, commits) for end, (number, commits) in zip(ends, found, strict=True)]
    has_any = any(commits for _, commits in found)
    return Drawn(("year up to", "absence factor", "commits"), rows if has_any else (),
                 charts.line("On how few people it rests", look.labels, series, unit="people"),
                 charts.figures_table("On how few people it rests", look.labels, series),
                 notes=("Each point is of twelve calendar months, the last of them the one it lies in.",))  # fmt: skip


def _concerns(work: ModuleWork | None, kept: Maintainers | None, fewest: int) -> tuple[Concern, ...]:
    if kept is None:  # governance/ was never synced: who maintains what is not known
        return ()
    return concerns(
        appointed=len(kept.appointed), active=len(kept.active), fewest=fewest, commits=work.commits if work else 0,
        absence_factor=work.absence_factor if work else 0, elephant_factor=work.elephant_factor if work else None,
    )  # fmt: skip


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
