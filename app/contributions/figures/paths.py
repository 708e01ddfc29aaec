"""Figures of a module's paths: what changes when, and who knows it. `?path=` goes down the folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import takewhile

from sqlalchemy.orm import Session

from app import charts, grids
from app.contributions import queries
from app.contributions.figures.drawing import About, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics import factor
from app.contributions.queries.paths import PathWork, path_work
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.windows import Window
from app.people.queries import shown_name
from app.wording import number, share

MOST = 20
_MOST_KNOWN = 200
_WHERE = ("repository", "module")
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


@dataclass
class Within:
    """All that happened within one place."""

    months: Counter[date] = field(default_factory=Counter)
    people: Counter[int] = field(default_factory=Counter)
    last: dict[int, date] = field(default_factory=dict)

    def add(self, one: PathWork) -> None:
        """One more path in it."""
        self.months.update(one.months)
        self.people.update(one.people)
        for person, day in one.last.items():
            self.last[person] = max(day, self.last.get(person, day))


@figure("paths", "What changes, and when", "paths", scopes=_WHERE, options=_PLACE)
def changing_paths(look: Look) -> Drawn:
    """Folders and files by period, darker where more commits changed them."""
    counted = _places(look)
    ranked = sorted(counted, key=lambda place: (-counted[place].months.total(), place.path))
    most = counted[ranked[0]].months.total() if ranked else 0
    starts = _months(look)
    lines = []
    for place in ranked[:MOST]:
        months = counted[place].months
        values = [sum(months[month] for month in held) for _, held in starts]
        cells = [grids.Shaded(value, number(value) if value else "", f"{place.path}, {label}: {value:,}")
                 for value, (label, _) in zip(values, starts, strict=True)]  # fmt: skip
        name = place.name if below_of(look) else place.whole
        lines.append(grids.Line(name, cells, _url(look, place), number(months.total()), months.total() / most))
    rows = [(place.path, month.isoformat(), changes) for place in ranked for month, changes in
            sorted(counted[place].months.items())]  # fmt: skip
    drawing = grids.heat_table("Changes by path and month", [label for label, _ in starts], lines, first="Path",
                               figure="Changes") if lines else charts.NOTHING  # fmt: skip
    left = (f"The {MOST} most changed of {len(ranked):,}.",) if len(ranked) > MOST else ()
    totals = [(place.path, counted[place].months.total()) for place in ranked]
    return Drawn(("path", "month", "changes"), rows, drawing, table("Changes by path", ("Path", "Changes"), totals),
                 notes=left)  # fmt: skip


@figure("path-knowers", "Who knows these paths", "path-knowers", scopes=_WHERE, options=_PLACE)
def knowers(look: Look) -> Drawn:
    """Of each folder or file on how few people it rests, and who they are."""
    counted = {place: one for place, one in _places(look).items() if one.people}
    ranked = sorted(counted, key=lambda place: (-counted[place].people.total(), place.path))[:_MOST_KNOWN]
    tops = {place: sorted(counted[place].people.items(), key=lambda item: (-item[1], item[0]))[:5] for place in ranked}
    persons = queries.persons(look.session, {person for top in tops.values() for person, _ in top})
    rows, bars, about = [], [], []
    for place, top in tops.items():
        people, last = counted[place].people, counted[place].last
        total, few = people.total(), factor(people.values())
        for number_, changes in top:
            person = persons[number_]
            rows.append((place.path, shown_name(person), changes, round(changes / total, 4), last[number_].isoformat()))
            about.append(About.person(person, None))
        said = ", ".join(f"{shown_name(persons[one])} {share(changes / total)}" for one, changes in top[:2])
        more = f", {len(people) - 2:,} more" if len(people) > 2 else ""
        name = place.name if below_of(look) else place.whole
        bars.append(charts.Bar(name, few, f"of {len(people):,} made half: {said}{more}", _url(look, place),
                               "known" if few == 1 else "rest"))  # fmt: skip
    return Drawn(("path", "person", "changes", "share", "last"), rows,
                 charts.bars("People who made half of the changes", bars[:MOST]) if bars else charts.NOTHING,
                 table("Who changed what", ("Path", "Who", "Changes", "Share", "Last"), rows, about))  # fmt: skip


def _places(look: Look) -> Mapping[Place, Within]:
    return _places_of(look.session, look.scope, look.window, below_of(look))


@remembered
def _places_of(session: Session, scope: Scope, window: Window, asked: str) -> dict[Place, Within]:
    """What happened right below the folder that is looked at; without one, where the paths first part."""
    work = path_work(session, scope, window, below=asked)
    below = asked or fork_of(work)
    found: dict[Place, Within] = {}
    for path, one in work.items():
        found.setdefault(place_of(path, below), Within()).add(one)
    return found


def _months(look: Look) -> list[tuple[str, list[date]]]:
    """The columns: months up to two years, else the periods of the window; each with the months in it."""
    months = look.window.months()
    if len(months) <= 25:
        return [(f"{month:%b}" if at and month.month > 1 else f"{month:%b} {month:%y}", [month])
                for at, month in enumerate(months)]  # fmt: skip
    by_quarter: dict[str, list[date]] = {}
    for month in months:
        name = f"{month.year} Q{(month.month + 2) // 3}" if len(months) <= 72 else str(month.year)
        by_quarter.setdefault(name, []).append(month)
    return list(by_quarter.items())


def _url(look: Look, place: Place) -> str | None:
    if look.scope.module is None or place.path == below_of(look):
        return None
    return look.url("contributions.module", key=look.scope.module, path=place.path) + "#paths"
