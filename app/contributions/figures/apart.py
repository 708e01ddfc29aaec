"""Changes and issues side by side: by members and others, tier, organization, module, repository, folder, person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from app import charts, grids
from app.contributions import queries
from app.contributions.figures.drawing import INDEPENDENT, UNATTRIBUTED, About, Shade, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.folders import NEITHER, NOTE, folders_of, held_by_scope, named_folders
from app.contributions.figures.health import WHERE, authors
from app.contributions.figures.look import Look
from app.contributions.figures.newcomers import FIRST, NAMES
from app.contributions.figures.unattributed import of_changes
from app.contributions.metrics import Spread, spread
from app.contributions.queries import Apart, By, Folders, Standing, Thing
from app.contributions.queries.health import Closed, closed_by, open_by
from app.members import queries as members
from app.modules import queries as modules
from app.people.queries import shown_name
from app.wording import share, span

_T = TypeVar("_T")
BY = {"standing": By.STANDING, "first": By.FIRST, "tier": By.TIER, "organization": By.ORGANIZATION,
      "module": By.MODULE, "repository": By.REPOSITORY, "person": By.PERSON}  # fmt: skip
_FOLDER = "folder"
OPTIONS: dict[str, tuple[str, ...]] = {"tier": (), "apart": (*BY, _FOLDER), "path": ()}
_OF_ISSUES: dict[str, tuple[str, ...]] = {"tier": (), "apart": tuple(name for name in BY if name != "module")}
_REST = {By.TIER: (Standing.OTHER, Standing.INDEPENDENT, Standing.UNKNOWN),
         By.ORGANIZATION: (Standing.INDEPENDENT, Standing.UNKNOWN)}  # fmt: skip
_SHORT = {Standing.OTHER: "No member’s", Standing.INDEPENDENT: INDEPENDENT, Standing.UNKNOWN: UNATTRIBUTED}
_DRAWN, _MOST = 12, 100
_MODULES = "A change that touches two modules counts in both; one that touches none is left out."
_LARGEST = f"The {_MOST} with the most."


@dataclass(frozen=True)
class Group(Generic[_T]):
    """One of those told apart: its name, what its row is about, and what was found of it; `is_rest` stands last."""

    name: str
    about: About | None
    found: _T
    is_rest: bool = False

    @property
    def url(self) -> str | None:
        """Where more of it stands."""
        return self.about.url if self.about else None

    @property
    def shade(self) -> Shade:
        """How its bar is drawn."""
        return "rest" if self.is_rest else "known"


def told_apart(
    look: Look, ask: Callable[[Apart], Mapping[Any, _T]], size: Callable[[_T], int],
    options: Mapping[str, tuple[str, ...]],
) -> tuple[list[Group[_T]], tuple[str, ...]]:  # fmt: skip
    """The largest groups of what the address tells apart by, then who belongs to none; and what to say of them.

    Whom nobody, or no member, employs stands apart as on every other page, so that the parts add up to the whole.
    """
    wanted = look.option("apart", options["apart"])
    by = folders_of(look) if wanted == _FOLDER else BY[wanted]
    if by is None:
        return [], (NEITHER,)
    found = dict(ask(by))
    if isinstance(by, Folders):
        found = held_by_scope(look, by, found)
    rest: dict[Standing, _T] = {}
    if by in _REST:
        found.pop(None, None)
        standings = ask(By.STANDING)
        rest = {one: standings[one] for one in _REST[by] if one in standings}
    is_fixed = by in (By.STANDING, By.FIRST)
    order = list(NAMES if by is By.STANDING else FIRST) if is_fixed else sorted(
        found, key=lambda key: (-size(found[key]), str(key)))  # fmt: skip
    shown = [key for key in order if key in found and size(found[key])][:_MOST]
    named = _names(look, by, shown)
    groups = [Group(*named.get(key, ("Somebody", None)), found[key]) for key in shown]
    groups += [Group(_SHORT[one], None, value, is_rest=True) for one, value in rest.items() if size(value)]
    notes = (_MODULES,) if by is By.MODULE else (NOTE,) if isinstance(by, Folders) else ()
    return groups, (*notes, _LARGEST) if len(found) > _MOST else notes


def waits(look: Look, thing: Thing, title: str, options: Mapping[str, tuple[str, ...]], *, is_lasting: bool) -> Drawn:
    """Of each group how many there were, how many have ended, median with its bounds, 75th and 90th percentile."""
    ask = queries.lasting if is_lasting else queries.waiting
    whose = authors(look)
    asked = partial(ask, look.session, thing, look.scope, look.window, as_of=look.as_of, authors=whose)
    groups, notes = told_apart(look, lambda by: {key: spread(one) for key, one in asked(by=by).items()},
                               lambda one: one.n, options)  # fmt: skip
    rows = [(one.name, one.found.n, one.found.ended, one.found.median, one.found.low, one.found.high, one.found.p75,
             one.found.p90) for one in groups]  # fmt: skip
    shown = [(row[0], f"{row[1]:,}", f"{row[2]:,}", *(span(seconds) for seconds in row[3:])) for row in rows]
    drawn = [grids.Range(one.name, one.found.low, one.found.median, one.found.high, _told(one.found), one.url)
             for one in _longest(groups)]  # fmt: skip
    heads = ("Whose", "n", "Ended", "Median", "from", "to", "75%", "90%")
    return Drawn(("whose", "n", "ended", "median_s", "low_s", "high_s", "p75_s", "p90_s"), rows,
                 grids.ranges(title, drawn), table(title, heads, shown, [one.about for one in groups]),
                 of_changes(look, thing, whose), of=thing.value,
                 notes=("Medians with their 95% bounds.", *notes))  # fmt: skip


@figure("first-response-apart", "Time to first response, side by side", "first-response", scopes=(*WHERE, "person"),
        options=OPTIONS)  # fmt: skip
def first_response(look: Look) -> Drawn:
    """How long the changes of each group wait for a first response."""
    return waits(look, Thing.CHANGES, "Time to first response", OPTIONS, is_lasting=False)


@figure("change-duration-apart", "How long changes last, side by side", "change-duration", scopes=(*WHERE, "person"),
        options=OPTIONS)  # fmt: skip
def change_duration(look: Look) -> Drawn:
    """How long the changes of each group last."""
    return waits(look, Thing.CHANGES, "How long changes last", OPTIONS, is_lasting=True)


@figure("issue-response-apart", "Until issues are answered, side by side", "issue-response",
        scopes=("everything", "repository", "organization"), options=_OF_ISSUES)  # fmt: skip
def issue_response(look: Look) -> Drawn:
    """How long the issues of each group wait for a first response."""
    return waits(look, Thing.ISSUES, "Until an issue is answered", _OF_ISSUES, is_lasting=False)


@figure("issue-resolution-apart", "Until issues are closed, side by side", "issue-resolution",
        scopes=("everything", "repository", "organization"), options=_OF_ISSUES)  # fmt: skip
def issue_resolution(look: Look) -> Drawn:
    """How long the issues of each group last."""
    return waits(look, Thing.ISSUES, "Until an issue is closed", _OF_ISSUES, is_lasting=True)


@figure("closure-apart", "Opened, closed and open, side by side", "closure-ratio", scopes=(*WHERE, "person"),
        options=OPTIONS)  # fmt: skip
def closure(look: Look) -> Drawn:
    """How many changes of each group were opened, closed and merged, and how many are open at the end."""
    whose = authors(look)

    def ask(by: Apart) -> dict[Any, tuple[int, Closed, int]]:
        opened = queries.opened_by(look.session, Thing.CHANGES, look.scope, look.window, by, authors=whose)
        closed = closed_by(look.session, look.scope, look.window, by, authors=whose)
        still = open_by(look.session, look.scope, look.window, by, authors=whose)
        return {key: (opened.get(key, 0), closed.get(key, Closed()), still.get(key, 0))
                for key in {**opened, **closed, **still}}  # fmt: skip

    groups, notes = told_apart(look, ask, lambda one: one[0] + one[1].closed + one[2], OPTIONS)
    rows = [(one.name, opened, closed.closed, closed.merged,
             round(closed.closed / opened, 4) if opened else None, still)
            for one in groups for opened, closed, still in [one.found]]  # fmt: skip
    shown = [(*row[:4], f"{row[4]:.2f}" if row[4] is not None else None, row[5]) for row in rows]
    bars = [charts.Bar(one.name, opened, f"{closed.closed:,} closed, {still:,} open", one.url,
                       kind=one.shade, told=f"{opened:,} opened")
            for one in _longest(groups) for opened, closed, still in [one.found]]  # fmt: skip
    title = "Opened, closed and open"
    return Drawn(("whose", "opened", "closed", "merged", "closure ratio", "open at the end"), rows,
                 charts.bars(title, bars),
                 table(title, ("Whose", "Opened", "Closed", "Merged", "Closure ratio", "Open at the end"), shown,
                       [one.about for one in groups]),
                 of_changes(look, authors=whose), of="changes opened in these days", notes=notes)  # fmt: skip


@figure("review-coverage-apart", "Review coverage, side by side", "review-coverage", scopes=(*WHERE, "person"),
        options=OPTIONS)  # fmt: skip
def coverage(look: Look) -> Drawn:
    """Of the merged changes of each group, how many somebody had reviewed, and reviewers of each on average."""
    whose = authors(look)
    groups, notes = told_apart(look, lambda by: closed_by(look.session, look.scope, look.window, by, authors=whose),
                               lambda one: one.merged, OPTIONS)  # fmt: skip
    rows = [(one.name, one.found.merged, one.found.reviewed, round(one.found.reviewed / one.found.merged, 4),
             round(one.found.reviewers / one.found.merged, 2)) for one in groups]  # fmt: skip
    shown = [(*row[:4], f"{row[4]:.2f}") for row in rows]
    bars = [charts.Bar(one.name, 100 * one.found.reviewed / one.found.merged,
                       f"{one.found.reviewed:,} of {one.found.merged:,}", one.url,
                       kind=one.shade, told=share(one.found.reviewed / one.found.merged))
            for one in _longest(groups)]  # fmt: skip
    return Drawn(("whose", "merged", "reviewed", "coverage", "reviewers each"), rows,
                 charts.bars("Review coverage", bars, most=100),
                 table("Review coverage", ("Whose", "Merged", "Reviewed", "Coverage", "Reviewers each"), shown,
                       [one.about for one in groups]),
                 of_changes(look, authors=whose), of="changes opened in these days", notes=notes)  # fmt: skip


def _longest(groups: list[Group[_T]]) -> list[Group[_T]]:
    """The groups that are drawn; whoever belongs to none is never left out."""
    return [one for one in groups if not one.is_rest][:_DRAWN] + [one for one in groups if one.is_rest]


def _told(found: Spread) -> str:
    parts = [f"{name} {span(value)}" for name, value in
             (("median", found.median), ("75%", found.p75), ("90%", found.p90)) if value is not None]  # fmt: skip
    return ", ".join([*parts, f"n\u00a0=\u00a0{found.n:,}"])


def _names(look: Look, by: Apart, keys: list[Any]) -> dict[Any, tuple[str, About | None]]:
    """The name of each group, and what its row is about."""
    if isinstance(by, Folders):
        return named_folders(look, by, keys)
    if by is By.STANDING:
        return {key: (NAMES[key], None) for key in keys}
    if by is By.FIRST:
        return {key: (FIRST[key], None) for key in keys}
    if by is By.TIER:
        return {key: (members.tier_name(look.session, key, look.window.until), None) for key in keys}
    if by is By.MODULE:
        names = {one.key: one.name for one in modules.modules(look.session)}
        return {key: (names[key], About.module(key, look.url("contributions.module", key=key))) if key in names
                else (key, None) for key in keys}  # fmt: skip
    if by is By.ORGANIZATION:
        known = queries.named_organizations(look.session, keys)
        pages = {key: look.url("contributions.organization", public_id=one.public_id) for key, one in known.items()}
        return {key: (one.name, About.organization(one, pages[key])) for key, one in known.items()}
    if by is By.REPOSITORY:
        return {one.id: (one.name, About.repository(one, look.url("contributions.repository", public_id=one.public_id)))
                for one in queries.repositories(look.session)}  # fmt: skip
    persons = queries.persons(look.session, keys)
    return {key: (shown_name(one), About.person(one, look.person_url(one))) for key, one in persons.items()}
