"""Figures of a module's paths: what changes when, and who knows it. `?path=` goes down the folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from app import charts, grids
from app.contributions import queries
from app.contributions.figures.drawing import table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics import factor
from app.contributions.queries.paths import PathChanges, PathKnower, path_changes, path_knowers
from app.modules import queries as modules
from app.modules.rules import modules_of
from app.people.queries import shown_name
from app.wording import day as written_day
from app.wording import number, share

MOST = 20
_WHERE = ("everything", "repository", "module")
_PLACE: dict[str, tuple[str, ...]] = {"path": ()}


@dataclass(frozen=True)
class Place:
    """A folder or a file right below the one that is looked at."""

    path: str
    is_folder: bool

    @property
    def name(self) -> str:
        """The last part, with a slash after a folder."""
        return self.path.rsplit("/", 1)[-1] + ("/" if self.is_folder else "")

    @property
    def whole(self) -> str:
        """All of it, with a slash after a folder."""
        return self.path + ("/" if self.is_folder else "")


def place_of(path: str, below: str) -> Place:
    """What lies right below a folder on the way to a path.

    >>> place_of("csrc/ops/add.cpp", "csrc").name, place_of("csrc/ops/add.cpp", "csrc/ops").name
    ('ops/', 'add.cpp')
    >>> place_of("csrc/ops/add.cpp", "csrc/ops/add.cpp").name
    'add.cpp'
    """
    rest = path[len(below) + 1 :] if below and path != below else path if not below else ""
    if not rest:
        return Place(path, is_folder=False)
    first, slash, _ = rest.partition("/")
    return Place(f"{below}/{first}" if below else first, bool(slash))


def below_of(look: Look) -> str:
    """The folder that the address asks for."""
    return look.options.get("path", "").strip().strip("/")


def fork_of(paths: Iterable[str]) -> str:
    """The folder in which all of these paths lie and first part.

    >>> fork_of(["csrc/ops/add.cpp", "csrc/ops/simd/mul.cpp"]), fork_of(["a/b.py", "c.py"]), fork_of(["a/b.py"])
    ('csrc/ops', '', 'a')
    """
    folders = [path.split("/")[:-1] for path in paths]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return "/".join(parts[0] for parts in shared)


@figure("paths", "What changes, month by month", "paths", scopes=_WHERE, options=_PLACE)
def changing_paths(look: Look) -> Drawn:
    """Folders and files by period, darker where more commits changed them."""
    asked = below_of(look)
    changed = _own_changes(look, asked)
    below = asked or fork_of(one.path for one in changed)
    counted: dict[Place, Counter[date]] = {}
    for one in changed:
        counted.setdefault(place_of(one.path, below), Counter())[one.month] += one.commits
    ranked = sorted(counted, key=lambda place: (-counted[place].total(), place.path))
    most = counted[ranked[0]].total() if ranked else 0
    starts = _months(look)
    lines = []
    for place in ranked[:MOST]:
        values = [sum(counted[place][month] for month in months) for _, months in starts]
        cells = [grids.Shaded(value, number(value) if value else "", f"{place.path}, {label}: {value:,}")
                 for value, (label, _) in zip(values, starts, strict=True)]  # fmt: skip
        total = counted[place].total()
        name = place.name if asked else place.whole
        lines.append(grids.Line(name, cells, _url(look, place), number(total), total / most))
    rows = [(place.path, month.isoformat(), changes) for place in ranked for month, changes in
            sorted(counted[place].items())]  # fmt: skip
    drawing = grids.heat_table("Changes by path and month", [label for label, _ in starts], lines, first="Path",
                               figure="Changes") if lines else charts.NOTHING  # fmt: skip
    left = (f"The {MOST} most changed of {len(ranked):,}.",) if len(ranked) > MOST else ()
    totals = [(place.path, counted[place].total()) for place in ranked[:200]]
    return Drawn(("path", "month", "changes"), rows, drawing, table("Changes by path", ("Path", "Changes"), totals),
                 notes=left)  # fmt: skip


@figure("path-knowers", "Who knows these paths", "path-knowers", scopes=_WHERE, options=_PLACE)
def knowers(look: Look) -> Drawn:
    """Of each folder or file on how few people it rests, and who they are."""
    asked = below_of(look)
    known = _own_knowers(look, asked)
    below = asked or fork_of(one.path for one in known)
    counted: dict[Place, Counter[int]] = {}
    latest: dict[tuple[Place, int], date] = {}
    for one in known:
        place = place_of(one.path, below)
        counted.setdefault(place, Counter())[one.person] += one.commits
        latest[place, one.person] = max(one.last_on, latest.get((place, one.person), one.last_on))
    ranked = sorted(counted, key=lambda place: (-counted[place].total(), place.path))
    tops = {place: sorted(counted[place].items(), key=lambda item: (-item[1], item[0]))[:5] for place in ranked[:200]}
    persons = queries.persons(look.session, {person for top in tops.values() for person, _ in top})
    rows, bars = [], []
    for place, top in tops.items():
        total, few = counted[place].total(), factor(counted[place].values())
        named = [(shown_name(persons[person]), changes, latest[place, person]) for person, changes in top]
        rows += [(place.path, name, changes, round(changes / total, 4), on.isoformat()) for name, changes, on in named]
        said = ", ".join(f"{name} {share(changes / total)}" for name, changes, _ in named[:2])
        more = len(counted[place]) - 2
        note = f"of {len(counted[place]):,} made half: {said}" + (f", {more:,} more" if more > 0 else "")
        name = place.name if asked else place.whole
        bars.append(charts.Bar(name, few, note, _url(look, place), "known" if few == 1 else "rest"))
    shown = [(path, f"{name}, last {written_day(date.fromisoformat(on))}", changes, part)
             for path, name, changes, part, on in rows]  # fmt: skip
    return Drawn(("path", "person", "changes", "share", "last"), rows,
                 charts.bars("People who made half of the changes", bars[:MOST]) if bars else charts.NOTHING,
                 table("Who changed what", ("Path", "Who", "Changes", "Share"), shown))  # fmt: skip


def _own_changes(look: Look, below: str) -> list[PathChanges]:
    found = path_changes(look.session, look.scope, look.window, below=below)
    own = _owned(look, {one.path for one in found})
    return [one for one in found if own.get(one.path, True)]


def _own_knowers(look: Look, below: str) -> list[PathKnower]:
    found = path_knowers(look.session, look.scope, look.window, below=below)
    own = _owned(look, {one.path for one in found})
    return [one for one in found if own.get(one.path, True)]


def _owned(look: Look, paths: set[str]) -> Mapping[str, bool]:
    """Which of these paths are the module's: a commit that touches it touches others, too."""
    if look.scope.module is None:
        return {}
    of = modules.paths(look.session)
    return {path: look.scope.module in modules_of(path, of) for path in paths}


def _months(look: Look) -> list[tuple[str, list[date]]]:
    """The columns: months up to two years, else the periods of the window; each with the months in it."""
    first, last = look.window.since.replace(day=1), look.window.until
    months = [first]
    while (following := _next(months[-1])) <= last:
        months.append(following)
    if len(months) <= 25:
        return [(f"{month:%b}" if at and month.month > 1 else f"{month:%b} {month:%y}", [month])
                for at, month in enumerate(months)]  # fmt: skip
    by_quarter: dict[str, list[date]] = {}
    for month in months:
        name = f"{month.year} Q{(month.month + 2) // 3}" if len(months) <= 72 else str(month.year)
        by_quarter.setdefault(name, []).append(month)
    return list(by_quarter.items())


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _url(look: Look, place: Place) -> str | None:
    if look.scope.module is None or place.path == below_of(look):
        return None
    return look.url("contributions.module", key=look.scope.module, path=place.path) + "#paths"
