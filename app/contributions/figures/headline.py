"""The large figures over a page: what a window comes to, beside the window of the same length just before."""

from __future__ import annotations

from dataclasses import dataclass

from app.contributions import queries
from app.contributions.figures.drawing import table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import BY, Look
from app.contributions.metrics import Spread, Summary, count, factor, ranked, spread
from app.contributions.metrics.durations import add_up
from app.contributions.queries import EVERYBODY, Counts, Earlier, Side, Thing
from app.contributions.queries.health import spread_of
from app.markup import html, joined
from app.wording import number, share, span


@dataclass(frozen=True)
class Big:
    """A large figure, ready to be shown: its name, its value (`raw`: as a number), and what to know beside it."""

    label: str
    value: str
    note: str = ""
    raw: float | None = None


def of_project(look: Look) -> list[Big]:
    """Everything, or one repository."""
    (now, was), had = _summaries(look), _commits_before(look)
    changes, (opened_before, merged_before) = _changes(look), _changes_before(look)
    released, released_before = (queries.releases(look.session, look.scope, one.window) for one in (look, look.before))
    return [
        _count("Commits", now.commits, change(now.commits, was.commits)),
        _count("Contributors", now.contributors, change(now.contributors, was.contributors)),
        _count("New contributors", now.new_contributors, change(now.new_contributors, was.new_contributors)),
        _share("Stayed", now.retention, "of those of the days before"),
        _count("Absence factor", now.absence_factor, f"people made half of it{_was(was.absence_factor)}"),
        _count("Elephant factor", now.elephant_factor, f"organizations made half of it{_was(factor(had.values()))}"),
        _count("Organizations", now.organizations, change(now.organizations, len(had))),
        _count("Changes opened", changes.opened, change(changes.opened, opened_before)),
        _count("Changes merged", changes.merged, change(changes.merged, merged_before)),
        _response("Time to first response", waiting(look), waited(look.before)),
        _count("Releases", released.published, change(released.published, released_before.published)),
        Big("Lines", f"+{number(now.added)}", f"−{number(now.deleted)}{_counted(now.lines_counted)}", now.added),
        _share("Unattributed", now.unattributed, "of commits, no employer known"),
        _count("Bots and tools", now.bot_commits, f"{number(now.assisted)} more with a tool’s help"),
    ]  # fmt: skip


def of_organization(look: Look) -> list[Big]:
    """One organization, or one with all that it owns."""
    now, was = _summaries(look)
    changes, (opened_before, merged_before) = _changes(look), _changes_before(look)
    received = sum(queries.reviews_exchanged(look.session, Side.RECEIVED, look.scope, look.window).values())
    given = queries.review_load(look.session, look.scope, look.window).reviews
    answers = spread(queries.response_given(look.session, look.scope, look.window))
    part = share(now.commits / look.whole.total) if look.whole.total else "none"
    rank = _rank(look)
    return [
        _count("Commits", now.commits, _both(f"{part} of all", change(now.commits, was.commits))),
        _count("Rank", rank[0] if rank else None,
               f"of {rank[1]} organizations, by commits" if rank else "no commit in these days"),
        _count("Contributors", now.contributors, change(now.contributors, was.contributors)),
        _count("New contributors", now.new_contributors, change(now.new_contributors, was.new_contributors)),
        _count("Absence factor", now.absence_factor, f"of its people made half{_was(was.absence_factor)}"),
        _count("Changes opened", changes.opened, change(changes.opened, opened_before)),
        _count("Changes merged", changes.merged, change(changes.merged, merged_before)),
        _response("Its changes wait", waiting(look), waited(look.before)),
        _response("It answers within", answers, None, none="no review begun"),
        _count("Reviews given", given, f"and {number(received)} received"),
    ]  # fmt: skip


def of_person(look: Look) -> list[Big]:
    """One person's work."""
    (now, was), changes = _summaries(look), _changes(look)
    received = sum(queries.reviews_exchanged(look.session, Side.RECEIVED, look.scope, look.window).values())
    given = queries.review_load(look.session, look.scope, look.window).reviews
    answers = spread(queries.response_given(look.session, look.scope, look.window))
    return [
        _count("Commits", now.commits, change(now.commits, was.commits)),
        Big("Lines", f"+{number(now.added)}", f"−{number(now.deleted)}{_counted(now.lines_counted)}", now.added),
        _count("Files", queries.files(look.session, look.scope, look.window), "changed, once for each commit"),
        _count("Changes opened", changes.opened, f"{number(changes.merged)} merged"),
        _response("Their changes wait", waiting(look), None),
        _count("Reviews given", given, f"and {number(received)} received"),
        _response("They answer within", answers, None, none="no review begun"),
        _count("Named as reviewer", now.reviews, "in trailers of commits"),
        _share("Unattributed", now.unattributed, "of the commits, no employer known"),
    ]  # fmt: skip


def of_module(look: Look) -> list[Big]:
    """One module."""
    now = _summary(look)
    back = "" if now.retention is None else f"{share(now.retention)} of those of the days before stayed"
    return [
        _count("Commits", now.commits,
               f"+{number(now.added)} −{number(now.deleted)} lines{_counted(now.lines_counted)}"),
        _count("Contributors", now.contributors, back),
        _count("New contributors", now.new_contributors, ""),
        _count("Reviews", now.reviews, "named in commits"),
        _count("Absence factor", now.absence_factor, "people made half of it"),
        _count("Elephant factor", now.elephant_factor, "organizations made half of it"),
        _share("Unattributed", now.unattributed, "of commits, no employer known"),
    ]  # fmt: skip


def of(look: Look) -> list[Big]:
    """Those over the page of what is looked at."""
    scope = look.scope
    draw = of_person if scope.person else of_organization if scope.organization else (
        of_module if scope.module else of_project)  # fmt: skip
    return draw(look)


@figure("headline", "Key figures", "headline", options={"by": BY})
def headline(look: Look) -> Drawn:
    """The large figures over a page, as rows: durations in seconds, shares as parts of one."""
    bigs = of(look)
    stats = [html('<div class="stat"><dt>{}</dt><dd>{}{}</dd></div>', one.label, one.value,
                  one.note and html("<small>{}</small>", one.note)) for one in bigs]  # fmt: skip
    return Drawn(("figure", "value", "shown", "note"), [(one.label, one.raw, one.value, one.note) for one in bigs],
                 html('<dl class="stats">{}</dl>', joined(stats)),
                 table("Key figures", ("Figure", "Value", "Beside it"),
                       [(one.label, one.value, one.note) for one in bigs]))  # fmt: skip


def waiting(look: Look) -> Spread:
    """How long the changes of a look wait for a first response; pages draw the same period by period."""
    return spread_of(look.session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of)


def waited(look: Look) -> Spread:
    """The same of a window that no page draws."""
    found = queries.waiting(look.session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of, authors=EVERYBODY)
    return spread(add_up(found.values()))


def change(now: int, before: int) -> str:
    """How a count moved against the window before, as far as that says anything.

    >>> change(112, 100), change(88, 100), change(3, 0), change(0, 0)
    ('+12%, was 100', '−12%, was 100', 'none before', '')
    """
    if not before:
        return "none before" if now else ""
    part = round(100 * (now - before) / before)
    return f"{'+' if part > 0 else '−' if part < 0 else '±'}{abs(part):,}%, was {before:,}"


def _count(label: str, value: int | None, note: str) -> Big:
    return Big(label, "–" if value is None else number(value), note, value)


def _share(label: str, value: float | None, note: str) -> Big:
    return Big(label, "–" if value is None else share(value), note, None if value is None else round(value, 4))


def _summary(look: Look) -> Summary:
    """Of these days. What the page draws period by period is read first: the sums of the window are made of it."""
    queries.cells_by_organization(look.session, look.scope, look.window)
    return look.summary


def _summaries(look: Look) -> tuple[Summary, Earlier]:
    """Of these days, and what is shown of those before."""
    return _summary(look), queries.earlier(look.session, look.scope, look.window)


def _commits_before(look: Look) -> dict[int, int]:
    """How many commits each organization had in the window before; with `by=group`, each group."""
    found: dict[int, int] = {}
    for one, commits in queries.commits_by_organization(look.session, look.scope, look.before.window).items():
        owner = look.owner(one) or 0
        found[owner] = found.get(owner, 0) + commits
    return found


def _rank(look: Look) -> tuple[int, int] | None:
    """The place of the look's organization by commits, of how many; None where it has none."""
    commits = count(look.whole.work, lambda cell: cell.organization)
    order = [one for one, _ in ranked(commits, len(commits)) if one is not None]
    own = look.owner(look.scope.organization)
    return (order.index(own) + 1, len(order)) if own in order else None


def _changes(look: Look) -> Counts:
    return queries.counts(look.session, Thing.CHANGES, look.scope, look.window)


def _changes_before(look: Look) -> tuple[int, int]:
    return queries.opened_and_merged(look.session, look.scope, look.before.window)


def _response(label: str, now: Spread, before: Spread | None, *, none: str = "no change opened") -> Big:
    if not now.n:
        return Big(label, "–", none)
    was = f", was {span(before.median)}" if before is not None and before.median is not None else ""
    return Big(label, span(now.median), f"median, n = {number(now.n)}{was}", now.median)


def _was(before: int | None) -> str:
    return f", was {number(before)}" if before else ""


def _counted(part: float | None) -> str:
    return f", {share(part)} of commits counted" if part is not None and part < 1 else ""


def _both(*parts: str) -> str:
    return "; ".join(filter(None, parts))
