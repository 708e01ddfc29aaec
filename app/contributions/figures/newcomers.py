"""Figures of newcomers: what becomes of them, who stays, who goes quiet, and whether they and outsiders wait longer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from app import charts, grids
from app.contributions import queries
from app.contributions.figures.drawing import About, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.metrics import Comparison, spread
from app.contributions.metrics.comparison import share_bounds
from app.contributions.metrics.newcomers import Stage, together
from app.contributions.queries import By, Standing, Thing
from app.contributions.queries.health import Closed, closed_by
from app.contributions.queries.newcomers import Newcomers, newcomers, quiet
from app.contributions.queries.people import quarter_begins, quarter_of
from app.people.queries import shown_name
from app.wording import day as written_day
from app.wording import share, span

_T = TypeVar("_T")
_WHERE = ("everything", "repository", "module", "organization")
_FEWEST, _MOST = 8, 20
NAMES = {Standing.MEMBER: "People of members", Standing.OTHER: "People of others",
         Standing.INDEPENDENT: "Independent", Standing.UNKNOWN: "Nobody knows for whom"}  # fmt: skip
FIRST = {True: "First-timers", False: "Everybody else"}


def coming(look: Look) -> Newcomers:
    """The newcomers of the window's quarters; of a short window, of two years up to its end."""
    quarters = min(max(look.window.days // 91 + 1, _FEWEST), _MOST)
    return newcomers(look.session, look.scope, until=look.window.until, quarters=quarters)


@figure("newcomers-funnel", "What became of newcomers", "funnel", scopes=_WHERE)
def funnel(look: Look) -> Drawn:
    """Of all who came in these quarters, how many reached each stage."""
    found = coming(look).intakes
    reached = {stage: together(found, stage) for stage in Stage}
    rows = [(stage.value, part, of, round(part / of, 4) if of else None) for stage, (part, of) in reached.items()]
    bars = [charts.Bar(stage.value.capitalize(), _percent(part, of), f"{part:,} of {of:,}", kind="known")
            for stage, (part, of) in reached.items()]  # fmt: skip
    has_any = any(one.size for one in found)
    return Drawn(("stage", "people", "of", "share"), rows if has_any else (),
                 charts.bars("What became of newcomers", bars, unit="%", most=100),
                 table("What became of newcomers", ("Stage", "People", "Of", "Share"), rows),
                 notes=(_quarters(found[0].quarter, look),))  # fmt: skip


@figure("newcomers-by-quarter", "Quarter by quarter", "funnel", scopes=_WHERE)
def by_quarter(look: Look) -> Drawn:
    """The share of each quarter's newcomers that reached each stage."""
    found = [one for one in coming(look).intakes if one.size]
    lines, rows = [], []
    for one in reversed(found):
        cells = [_stage_cell(one.share(stage), one.reached[stage], one.size) for stage in list(Stage)[1:]]
        most = max(each.size for each in found)
        lines.append(grids.Line(_quarter(one.quarter), cells, None, f"{one.size:,}", one.size / most))
        rows.append((_quarter(one.quarter), *(one.reached[stage] for stage in Stage)))
    names = [stage.value.capitalize() for stage in list(Stage)[1:]]
    drawing = grids.heat_table("Newcomers by quarter", names, lines, first="Came in", figure="People", most=1.0)
    heads = ("Came in", *(stage.value.capitalize() for stage in Stage))
    return Drawn(("quarter", *(stage.value for stage in Stage)), rows, drawing if lines else charts.NOTHING,
                 table("Newcomers by quarter", heads, rows),
                 notes=("An empty field: too early to say.",))  # fmt: skip


@figure("retention", "Who stays", "cohorts", scopes=_WHERE)
def retention(look: Look) -> Drawn:
    """Of the people who came in each quarter, the share who contributed in each quarter since."""
    found = coming(look).cohorts
    longest = max((len(one.active) for one in found), default=0)
    lines, rows = [], []
    for one in reversed(found):
        cells = [grids.Shaded(part, share(part), f"{number:,} of {one.size:,}")
                 for part, number in zip(one.shares, one.active, strict=True)][1:]  # fmt: skip
        cells += [grids.Shaded(None)] * (longest - len(one.active))
        lines.append(grids.Line(_quarter(one.period), cells, None, f"{one.size:,}"))
        rows += [(_quarter(one.period), at, number, one.size, round(part, 4))
                 for at, (number, part) in enumerate(zip(one.active, one.shares, strict=True))]  # fmt: skip
    labels = [f"+{at}" for at in range(1, longest)]
    drawing = grids.heat_table("Who stays", labels, lines, first="Came in", figure="People")
    return Drawn(("quarter", "quarters since", "active", "came", "share"), rows, drawing if labels else charts.NOTHING,
                 table("Who stays", ("Came in", "Quarters since", "Active", "Came", "Share"), rows),
                 notes=("Columns are quarters since the first one.",))  # fmt: skip


@figure("turnover", "Who comes and who goes quiet", "turnover", scopes=_WHERE)
def turnover(look: Look) -> Drawn:
    """New and returning people beside those who went quiet."""
    found = coming(look).turnover
    labels = [_quarter(one.quarter) for one in found]
    series = [charts.Series("New", [one.new for one in found]),
              charts.Series("Came back", [one.returning for one in found]),
              charts.Series("Went quiet", [one.quiet for one in found])]  # fmt: skip
    rows = [(_quarter(one.quarter), one.new, one.staying, one.returning, one.quiet) for one in found]
    has_any = any(one.new + one.staying + one.returning + one.quiet for one in found)
    heads = ("Quarter", "New", "Stayed", "Came back", "Went quiet")
    is_over = quarter_of(look.window.until + timedelta(days=1)) > found[-1].quarter
    return Drawn(("quarter", "new", "staying", "returning", "went quiet"), rows if has_any else (),
                 charts.line("Who comes and who goes quiet", labels, series, unit="people"),
                 table("Who comes and who goes quiet", heads, rows),
                 notes=() if is_over else ("The last quarter is not over: some of its quiet may yet come back.",)
                 )  # fmt: skip


@figure("drifting", "Who drifts away", "drifting", scopes=_WHERE)
def drifting(look: Look) -> Drawn:
    """Those who did most in the window before and nothing in this one."""
    found = quiet(look.session, look.scope, look.window)
    persons = queries.persons(look.session, [one.person for one in found])
    rows, bars, about = [], [], []
    for one in found:
        person = persons[one.person]
        url = look.person_url(person)
        rows.append((shown_name(person), one.commits, one.last_on.isoformat()))
        bars.append(charts.Bar(shown_name(person), one.commits, f"last on {written_day(one.last_on)}", url))
        about.append(About.person(person, url))
    gone = len(queries.people_flow(look.session, look.scope, look.window).drifting) if found else 0
    before = look.window.before
    return Drawn(("person", "commits before", "last on"), rows, charts.bars("Who drifts away", bars, unit="commits"),
                 table("Who drifts away", ("Person", "Commits before", "Last on"), rows, about),
                 notes=(f"{gone:,} people in all; commits of {before.text}, the window of the same length before.",)
                 if gone else ())  # fmt: skip


@figure("outsiders", "Do outsiders wait longer?", "outsiders", scopes=_WHERE)
def outsiders(look: Look) -> Drawn:
    """Medians of the first response with their bounds, by whom the author works for and whether it is the first."""
    by_standing = queries.waiting(look.session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of,
                                  by=By.STANDING)  # fmt: skip
    by_first = queries.waiting(look.session, Thing.CHANGES, look.scope, look.window, as_of=look.as_of, by=By.FIRST)
    rows, drawn = [], []
    for name, durations in _groups(by_standing, by_first, {}):
        one = spread(durations)
        if not one.n:
            continue
        rows.append((name, one.n, one.ended, one.median, one.low, one.high, one.p75, one.p90))
        bounds = f", 95% {span(one.low)} to {span(one.high)}" if one.low is not None and one.high is not None else ""
        note = f"median {span(one.median)}{bounds}, n = {one.n:,}" if one.median is not None else f"n = {one.n:,}"
        drawn.append(grids.Range(name, one.low, one.median, one.high, note))
    outside = queries.outsiders(look.session, look.scope, look.window, as_of=look.as_of)
    first = queries.first_timers(look.session, look.scope, look.window, as_of=look.as_of)
    heads = ("Whose changes", "n", "Answered", "Median", "from", "to", "75%", "90%")
    shown = [(row[0], f"{row[1]:,}", f"{row[2]:,}", *map(span, row[3:])) for row in rows]
    return Drawn(("whose", "n", "answered", "median_s", "low_s", "high_s", "p75_s", "p90_s"), rows,
                 grids.ranges("Median time to first response", drawn) if drawn else charts.NOTHING,
                 table("Time to first response", heads, shown), of_changes(look), of="changes",
                 notes=(_said("Outsiders beside members", outside), _said("First-timers beside others", first))
                 if drawn else ())  # fmt: skip


@figure("accepted-by-standing", "Whose changes are merged", "accepted", scopes=_WHERE)
def accepted(look: Look) -> Drawn:
    """Of the changes closed in the window the share that was merged, with its bounds."""
    by_standing, by_first = (closed_by(look.session, look.scope, look.window, by) for by in (By.STANDING, By.FIRST))
    rows, drawn = [], []
    for name, (closed, merged, *_) in _groups(by_standing, by_first, Closed()):
        bounds = share_bounds(merged, closed)
        if bounds is None:
            continue
        part = merged / closed
        rows.append((name, closed, merged, round(part, 4), round(bounds[0], 4), round(bounds[1], 4)))
        said = f"{share(part)}, 95% {share(bounds[0])} to {share(bounds[1])}, n = {closed:,}"
        drawn.append(grids.Range(name, bounds[0], part, bounds[1], said))
    all_of = sum(one.closed for one in by_standing.values())
    unknown = by_standing[Standing.UNKNOWN].closed if Standing.UNKNOWN in by_standing else 0
    return Drawn(("whose", "closed", "merged", "share", "low", "high"), rows,
                 grids.ranges("Share of closed changes that was merged", drawn) if drawn else charts.NOTHING,
                 table("Merged of closed", ("Whose changes", "Closed", "Merged", "Share", "from", "to"), rows),
                 unknown / all_of if all_of else None, of="changes",
                 notes=("Bounds are Wilson’s, with 95% confidence.",) if drawn else ())  # fmt: skip


def _groups(by_standing: Mapping[Standing, _T], by_first: Mapping[bool, _T], none: _T) -> list[tuple[str, _T]]:
    """What is told apart by whom the author works for, then by whether it is the first, each with its name."""
    return [(name, by_standing.get(standing, none)) for standing, name in NAMES.items()] + [
        (name, by_first.get(is_first, none)) for is_first, name in FIRST.items()
    ]


def _said(whom: str, found: Comparison) -> str:
    p = "" if found.p is None else " (p < 0.001)" if found.p < 0.001 else f" (p = {found.p:.3f})"
    return f"{whom}: {found.verdict.rstrip('.')}{p}."


def _stage_cell(part: float | None, number: int | None, size: int) -> grids.Shaded:
    if part is None:
        return grids.Shaded(None)
    return grids.Shaded(part, share(part), f"{number:,} of {size:,}")


def _percent(part: int, of: int) -> float:
    return round(100 * part / of, 0 if part * 10 >= of else 1) if of else 0.0


def _quarter(number: int) -> str:
    return f"{number // 4} Q{number % 4 + 1}"


def _quarters(first: int, look: Look) -> str:
    begins, ends = quarter_begins(first), look.window.until
    return f"Of those who came from {written_day(begins)} to {written_day(ends)}: whole quarters, two years at least."
