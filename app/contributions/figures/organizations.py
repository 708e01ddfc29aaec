"""Figures by organization: who works for whom, members beside the others, and how many organizations take part."""

from __future__ import annotations

from collections.abc import Iterable

from app import charts
from app.contributions import metrics
from app.contributions.figures.drawing import INDEPENDENT, MOST_ROWS, UNATTRIBUTED, About, Shade, longest, over, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import BY, SHOW, Look
from app.contributions.figures.work import stacked
from app.contributions.metrics import Cell
from app.contributions.queries.work import by_month
from app.contributions.windows import placing
from app.members import queries as members
from app.wording import counted, share

MEMBERS, OTHERS = "Members", "Other organizations"
_BY_PERIOD = "Who was a member is asked for the first day of each period."


@figure("organizations", "Organizations", "diversity", options={"by": BY})
def organizations(look: Look) -> Drawn:
    """Commits of each organization in the whole window, with its share."""
    commits_of = metrics.count(look.work, lambda cell: (cell.organization, cell.is_known))
    rows, bars, about = [], [], []
    ranked = sorted(commits_of.items(), key=lambda item: (item[0][0] is None, -item[1], item[0][0] or 0))
    for at, ((number, is_known), commits) in enumerate(ranked):
        one = look.organizations.get(number or 0)
        name = one.name if one else INDEPENDENT if is_known else UNATTRIBUTED
        part = commits / look.total if look.total else 0
        heads = look.heads.get((number, is_known), 0)
        rows.append((name, commits, heads, round(part, 4)))
        kind: Shade = "known" if number else "rest" if is_known else "unknown"
        url = look.organization_url(number) if at < MOST_ROWS else None  # what lies beyond is in no list
        bars.append(
            charts.Bar(name, commits, f"{share(part)}, {heads:,} {'person' if heads == 1 else 'people'}", url, kind)
        )
        about.append(About.organization(one, url))
    elephant = look.summary.elephant_factor
    notes = (
        (f"{counted(elephant, 'organization')} made half of what is attributed (Elephant Factor).",) if elephant else ()
    )
    return Drawn(("organization", "commits", "people", "share"), rows, charts.bars("Organizations", longest(bars)),
                 table("Organizations", ("Organization", "Commits", "People", "Share"), rows, about),
                 unattributed=look.unattributed, notes=notes)  # fmt: skip


@figure("standing-over-time", "Members and others", "commits", options={"show": SHOW})
def standing_over_time(look: Look) -> Drawn:
    """Commits by people of members, of other organizations, of nobody's, and of nobody knows whose."""
    book = look.tiers

    def standing(cell: Cell) -> str:
        if cell.organization is None:
            return INDEPENDENT if cell.is_known else UNATTRIBUTED
        return MEMBERS if book.tier(cell.organization, cell.first) else OTHERS

    values = {name: [0] * len(look.periods) for name in (MEMBERS, OTHERS, INDEPENDENT, UNATTRIBUTED)}
    for cell, place in placed(look, look.work):
        values[standing(cell)][place] += cell.commits
    kinds: dict[str, Shade] = {INDEPENDENT: "rest", UNATTRIBUTED: "unknown"}
    series = [charts.Series(name, found, kinds.get(name, "known")) for name, found in values.items() if any(found)]
    return stacked("Members and others", look, series, unit="commits", unattributed=look.unattributed,
                   notes=_asked(look))  # fmt: skip


@figure("tiers-over-time", "Commits by tier", "commits", options={"show": SHOW})
def tiers_over_time(look: Look) -> Drawn:
    """Commits by people of each tier’s members (or of whom these own), the largest first, then everybody else’s."""
    values: dict[str, list[int]] = {}
    rest = {name: [0] * len(look.periods) for name in (OTHERS, INDEPENDENT, UNATTRIBUTED)}
    for cell, place in placed(look, look.work):
        tier = look.tiers.tier(cell.organization, cell.first) if cell.organization is not None else None
        if tier is not None:
            values.setdefault(tier, [0] * len(look.periods))[place] += cell.commits
        else:
            name = OTHERS if cell.organization is not None else INDEPENDENT if cell.is_known else UNATTRIBUTED
            rest[name][place] += cell.commits
    kinds: dict[str, Shade] = {INDEPENDENT: "rest", UNATTRIBUTED: "unknown"}
    series = [charts.Series(members.tier_name(look.session, tier, look.window.until), found) for tier, found in
              sorted(values.items(), key=lambda one: (-sum(one[1]), one[0]))]  # fmt: skip
    series += [charts.Series(name, found, kinds.get(name, "known")) for name, found in rest.items() if any(found)]
    return stacked("Commits by tier", look, series, unit="commits", unattributed=look.unattributed, notes=_asked(look))


@figure("diversity-over-time", "Organizations that take part", "diversity", options={"by": BY})
def diversity_over_time(look: Look) -> Drawn:
    """How many members and other organizations had commits, period by period, and how few made half of them."""
    book = look.tiers
    commits: list[dict[int, int]] = [{} for _ in look.periods]
    of_members: list[set[int]] = [set() for _ in look.periods]
    for cell, place in placed(look, look.work):
        if cell.organization is not None:
            commits[place][cell.organization] = commits[place].get(cell.organization, 0) + cell.commits
            if book.tier(cell.organization, cell.first):
                of_members[place].add(cell.organization)
    others = [len(all_of) - len(mine) for all_of, mine in zip(commits, of_members, strict=True)]
    factors = [metrics.factor(one.values()) for one in commits]
    series = [charts.Series(MEMBERS, [len(mine) for mine in of_members]), charts.Series(OTHERS, others)]
    rows = [(period.first.isoformat(), len(mine), other, factor) for period, mine, other, factor in
            zip(look.periods, of_members, others, factors, strict=True)]  # fmt: skip
    title = "Organizations that take part"
    return Drawn(("from", "members", "other organizations", "elephant factor"), rows,
                 charts.columns(title, look.labels, series, unit="organizations"),
                 over(look.labels, ("When", MEMBERS, OTHERS, "Elephant factor"), rows, title),
                 unattributed=look.unattributed, notes=_asked(look))  # fmt: skip


def _asked(look: Look) -> tuple[str, ...]:
    """By which days members are told from others, where that is not each day."""
    return (_BY_PERIOD,) if by_month(look.window) else ()


def placed(look: Look, cells: Iterable[Cell]) -> Iterable[tuple[Cell, int]]:
    """Each cell with the place of its period."""
    place = placing(look.periods)
    return ((cell, place(cell.first)) for cell in cells)
