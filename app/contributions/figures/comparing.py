"""One organization beside peers of the reader's choice and the median of its tier."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import Shade, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import BY, Look
from app.contributions.figures.organizations import placed
from app.contributions.metrics import spread
from app.contributions.metrics.durations import Durations, add_up
from app.contributions.queries import Authors, By, Thing
from app.members import queries as members
from app.members.models import Organization
from app.wording import number, share, span

WITH = {"with": (), "by": BY}


@dataclass(frozen=True)
class Standing:
    """What an organization's people did in the window; `waited_s`: median time until their changes got a response."""

    commits: int = 0
    share: float = 0.0
    people: int = 0
    opened: int = 0
    reviews: int = 0
    waited_s: float | None = None


_ROWS: tuple[tuple[str, Callable[[Standing], float | None], Callable[[Any], str]], ...] = (
    ("Commits", lambda one: one.commits, number),
    ("Share of all commits", lambda one: one.share, share),
    ("People with commits", lambda one: one.people, number),
    ("Changes opened", lambda one: one.opened, number),
    ("Reviews given", lambda one: one.reviews, number),
    ("Wait for a first response, median", lambda one: one.waited_s, span),
)


@figure("compare", "Beside others", "comparison", scopes=("organization", "repository"), options=WITH)
def compare(look: Look) -> Drawn:
    """The organization's figures, those of the peers, and the median of its tier."""
    peers, tier = _peers(look), tier_of(look)
    all_of = standings(look, {*(look.owner(one.id) or 0 for one in peers), *(tier[1] if tier else ())})
    shown: list[tuple[str, Standing, str | None]] = [
        (one.name, all_of.get(look.owner(one.id) or 0, Standing()),
         look.url("contributions.organization", public_id=one.public_id)) for one in peers]  # fmt: skip
    notes: tuple[str, ...] = ("There is no other member of its tier to compare with.",)
    if tier is not None:
        name, mates = tier
        found = [all_of.get(mate, Standing()) for mate in mates]
        shown.append((f"Median of {name} members", _middle(found), None))
        notes = (f"The median is that of all {len(mates):,} {name} members, those without any commit included.",)
    rows = [(title, *(read(one) for _, one, _ in shown)) for title, read, _ in _ROWS]
    told = [(title, *(write(read(one)) for _, one, _ in shown)) for title, read, write in _ROWS]
    groups = [
        (title, [charts.Bar(name, read(one) or 0, url=url, kind=_shade(url), told=write(read(one))) for name, one, url
                 in shown])
        for title, read, write in _ROWS
    ]  # fmt: skip
    names = tuple(name for name, _, _ in shown)
    return Drawn(("figure", *names), rows, charts.multiples("Beside others", groups),
                 table("Beside others", ("Figure", *names), told), unattributed=look.whole.unattributed,
                 notes=notes)  # fmt: skip


@figure("compare-over-time", "Commits beside others", "comparison", scopes=("organization", "repository"), options=WITH)
def compare_over_time(look: Look) -> Drawn:
    """Commits of the organization, of the peers, and the median of its tier, period by period."""
    of_each: dict[int, list[int]] = {}
    for cell, place in placed(look, look.whole.work):
        if cell.organization is not None:
            of_each.setdefault(cell.organization, [0] * len(look.periods))[place] += cell.commits
    none = [0] * len(look.periods)
    series = [
        charts.Series(one.name, of_each.get(look.owner(one.id) or 0, none),
                      url=look.url("contributions.organization", public_id=one.public_id)) for one in _peers(look)
    ]  # fmt: skip
    tier = tier_of(look)
    if tier is not None:
        middle = [median(values) for values in zip(*(of_each.get(mate, none) for mate in tier[1]), strict=True)]
        series.append(charts.Series(f"Median of {tier[0]} members", middle, "rest"))
    title = "Commits beside others"
    rows = [(period.first.isoformat(), *(one.values[at] for one in series)) for at, period in enumerate(look.periods)]
    drawing = charts.line(title, look.labels, series, unit="commits")
    return Drawn(("from", *(one.name for one in series)), rows, drawing,
                 charts.figures_table(title, look.labels, series),
                 unattributed=look.whole.unattributed)  # fmt: skip


def standings(look: Look, numbers: Collection[int]) -> dict[int, Standing]:
    """These organizations within the whole; with `by=group`, companies that are one's count for that one."""
    whole, session = look.whole, look.session
    concerned = frozenset(numbers) | {one for one, owner in look.groups.items() if owner in numbers}
    authors = Authors(organizations=concerned)
    commits = metrics.count(whole.work, lambda cell: cell.organization)
    opened = _folded(look, queries.opened_by(
        session, Thing.CHANGES, whole.scope, look.window, By.ORGANIZATION, authors=authors), sum)  # fmt: skip
    reviews = _folded(look, queries.reviews_by_organization(session, whole.scope, look.window, concerned), sum)
    waited: dict[int, Durations] = _folded(look, queries.waiting(
        session, Thing.CHANGES, whole.scope, look.window, as_of=look.as_of, authors=authors,
        by=By.ORGANIZATION), add_up)  # fmt: skip
    return {
        one: Standing(commits.get(one, 0), commits.get(one, 0) / whole.total if whole.total else 0.0,
                      whole.heads.get((one, True), 0), opened.get(one, 0), reviews.get(one, 0),
                      spread(waited[one]).median if one in waited else None)
        for one in numbers
    }  # fmt: skip


def tier_of(look: Look) -> tuple[str, tuple[int, ...]] | None:
    """The tier of the look's organization on the window's last day: its name, and its members (related ones as one).

    None: it was no member then, or the only one of its tier.
    """
    day = look.window.until
    key = members.tier_book(look.session).tier(look.scope.organization, day)
    mates = dict.fromkeys(look.owner(mate) or 0 for mate in members.tiers_on(look.session, day).get(key or "", ()))
    if key is None or len(mates) < 2:
        return None
    return members.tier_name(look.session, key, day), tuple(mates)


def _peers(look: Look) -> list[Organization]:
    own = queries.organizations(look.session, [look.scope.organization])
    return [*own.values(), *(one for one in look.beside if one.id not in own)]


def _folded(look: Look, found: Mapping[Any, Any], add: Callable[[list[Any]], Any]) -> dict[int, Any]:
    parts: dict[int, list[Any]] = {}
    for one, value in found.items():
        if one is not None:
            parts.setdefault(look.owner(one) or 0, []).append(value)
    return {one: add(values) for one, values in parts.items()}


def _middle(found: list[Standing]) -> Standing:
    waits = [one.waited_s for one in found if one.waited_s is not None]
    return Standing(
        round(median(one.commits for one in found)), median(one.share for one in found),
        round(median(one.people for one in found)), round(median(one.opened for one in found)),
        round(median(one.reviews for one in found)), median(waits) if waits else None,
    )  # fmt: skip


def _shade(url: str | None) -> Shade:
    return "known" if url else "rest"
