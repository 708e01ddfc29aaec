"""What a published figure is, and the registry in which functions that draw one stand by their keys."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup

from app.contributions.figures.keeping import kept
from app.contributions.figures.look import Look
from app.contributions.metrics import METRICS, Metric
from app.contributions.queries import EVERYTHING
from app.contributions.queries.remembering import behind_since
from app.contributions.windows import Window
from app.people.queries import Grounds
from app.wording import moment, share

ANYWHERE = ("everything", "repository", "organization", "person", "module")
"""The scopes that a figure can be asked of; a repository can be named beside another one."""


FLOWS = (("from",), ("opened from",))
"""How the first column is called of what is counted period by period."""


@dataclass(frozen=True)
class Drawn:
    """What a figure's function gives: rows for reusing, a drawing, a table for reading, and what is not known.

    `unattributed` is a share of what `of` names (None: of the commits of these days, which every figure tells), and
    `lines_counted` one of the commits; `notes` are sentences for the caption.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    drawing: Markup
    table: Markup
    unattributed: float | None = None
    lines_counted: float | None = None
    of: str = "commits"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A published figure: what it means, when it was taken, its drawing, and its rows for reading and reusing."""

    key: str
    title: str
    metric: Metric
    window: Window
    as_of: datetime
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    drawing: Markup
    table: Markup
    unattributed: float | None = None
    grounds: Grounds | None = None
    lines_counted: float | None = None
    of: str = "these commits"
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def caption(self) -> str:
        """What stands under the drawing: definition's name and version, days, as-of, and what is not attributed."""
        text = f"{self.metric.name} (definition {self.metric.version}), {self.window.text}, as of {moment(self.as_of)}."
        if self.unattributed is not None:
            text += f" {share(self.unattributed)} of {self.of} are attributed to nobody's employer."
        if self.lines_counted is not None:
            text += f" Lines: {share(self.lines_counted)} of commits counted."
        return " ".join((text, *self.notes))

    @property
    def meaning(self) -> str:
        """What its metric counts, and which resolution of people and employers this figure rests on."""
        return f"{self.metric.definition} Rests on {self.grounds.text}." if self.grounds else self.metric.definition

    def as_json(self) -> dict[str, Any]:
        """Everything that is needed to check the figure."""
        return {
            "figure": self.key, "title": self.title, "metric": self.metric.name, "definition": self.metric.definition,
            "definition_version": self.metric.version, "since": self.window.since.isoformat(),
            "until": self.window.until.isoformat(), "as_of": self.as_of.isoformat(),
            "unattributed_share": self.unattributed, "unattributed_of": self.of,
            "lines_counted_share": self.lines_counted,
            "rests_on": self.grounds.as_json() if self.grounds else None, "notes": list(self.notes),
            "options": dict(self.options), "columns": list(self.columns), "rows": [list(row) for row in self.rows],
        }  # fmt: skip

    def as_csv(self) -> str:
        """The rows under a line of names; text that a spreadsheet would take for a formula is quoted."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([[_harmless(value) for value in row] for row in self.rows])
        return out.getvalue()


@dataclass(frozen=True)
class Registered:
    """A figure that can be asked for: of which scopes, and with which options.

    `options`: name -> its values, of which the first is meant where none is given; none: any text (a path; the
    public ids of some organizations, with commas between them).
    """

    key: str
    title: str
    metric: Metric
    scopes: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]]
    draw: Callable[[Look], Drawn]

    def of(self, look: Look) -> Figure:
        """The figure of this look."""
        return kept(self.key, look, lambda: self._made(look))

    def _made(self, look: Look) -> Figure:
        drawn = self.draw(look)
        options = {name: look.option(name, values) for name, values in self.options.items()}
        unattributed, of = drawn.unattributed, f"these {drawn.of}"
        if unattributed is None:
            where = "" if look.around.scope == EVERYTHING else " here"
            unattributed, of = look.around.unattributed, f"all commits in these days{where}"
        as_of = min(look.as_of, behind_since(look.session) or look.as_of)
        return Figure(self.key, self.title, self.metric, look.window, as_of, drawn.columns, tuple(drawn.rows),
                      drawn.drawing, drawn.table, unattributed, look.grounds, drawn.lines_counted, of,
                      (*drawn.notes, *self._cut(drawn, look)), options)  # fmt: skip

    def _cut(self, drawn: Drawn, look: Look) -> tuple[str, ...]:
        """What must be said of a drawing over time whose first or last step is not whole; a state has no such step."""
        is_flow = drawn.columns[:1] in FLOWS and self.metric.key != "backlog"
        return (look.window.cut,) if is_flow and look.window.cut else ()


FIGURES: dict[str, Registered] = {}


def figure(
    key: str, title: str, metric: str, *, scopes: tuple[str, ...] = ANYWHERE,
    options: Mapping[str, tuple[str, ...]] | None = None,
) -> Callable[[Callable[[Look], Drawn]], Callable[[Look], Drawn]]:  # fmt: skip
    """Register a function `(look) -> Drawn` as the figure of this key; `metric` is a key of `metrics.METRICS`."""

    def register(draw: Callable[[Look], Drawn]) -> Callable[[Look], Drawn]:
        if key in FIGURES:
            raise ValueError(f"two figures are called {key!r}: {FIGURES[key].draw.__qualname__}, {draw.__qualname__}")
        FIGURES[key] = Registered(key, title, METRICS[metric], scopes, options or {}, draw)
        return draw

    return register


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
