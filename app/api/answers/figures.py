"""Figures by key, of any scope and window, with all that is needed to check them; and what each metric counts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from flask import abort
from pydantic import Field, create_model
from sqlalchemy.orm import Session

from app.api.fields import (
    Answer,
    Asked,
    Day,
    Items,
    Key,
    OptionText,
    OrganizationId,
    OrganizationIds,
    PersonId,
    RepositoryId,
    one_of,
)
from app.api.operations import Csv, example, operation
from app.api.problems import WrongParameters
from app.contributions.figures import FIGURES, BadAddress, Figure, Look, NothingThere, read_figure, read_look
from app.contributions.metrics import METRICS
from app.contributions.windows import NAMED
from app.db import clock_of


class MetricDefined(Answer):
    """What a metric counts, and by which version of its definition."""

    key: str
    name: str
    definition: str
    version: int
    source: Annotated[str, Field(description="CHAOSS's own definition; empty where the metric is ours.")]


class FigureLine(Answer):
    """A figure that can be asked for: of which scopes, and with which options.

    Of an option's values the first is the usual one; an option without any takes text (`with`: organizations' ids).
    """

    key: str
    title: str
    metric: str
    scopes: list[str]
    options: dict[str, list[str]]


class RestsOn(Answer):
    """Which resolution of people and employers a figure rests on; the entry's hash seals all decisions before it."""

    resolution: int
    made_at: datetime
    identities: int
    persons: int
    decisions: int
    last_decision: str
    statements: int
    audit_entry: int
    audit_hash: str


class FigureRows(Answer):
    """A figure's rows, what they count, and what is not known."""

    figure: str
    title: str
    metric: str
    definition: str
    definition_version: int
    since: date
    until: date
    unattributed_share: Annotated[float | None, Field(description="What is attributed to nobody's employer.")]
    unattributed_of: Annotated[str, Field(description="Of what that is a share.")]
    lines_counted_share: float | None
    notes: list[str]
    options: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


class FigureDrawn(FigureRows):
    """A figure: its rows, and all that is needed to check them."""

    as_of: datetime
    rests_on: RestsOn | None


Window = Annotated[str, one_of(NAMED)]


class NothingAsked(Asked):
    """No parameters: the answer is whole."""


class WindowAsked(Asked):
    """In which days."""

    window: Annotated[Window | None, Field(description="Days until today; or give since and until.")] = None
    since: Annotated[Day | None, Field(description="The first day; before 1970 there is none.")] = None
    until: Annotated[Day | None, Field(description="The last day; today at most.")] = None


class FigureAsked(WindowAsked):
    """Which figure, of what, in which days; the options that figures know are added below."""

    repository: RepositoryId | None = None
    organization: OrganizationId | None = None
    person: PersonId | None = None
    module: Key | None = None
    figure: Annotated[str, one_of(FIGURES)]


def _options() -> dict[str, Any]:
    """Every option that a figure knows, with the values that any of them takes; none: text, or organizations."""
    found: dict[str, tuple[str, ...]] = {}
    for one in FIGURES.values():
        for name, values in one.options.items():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *values)))
    texts: dict[str, Any] = {"with": OrganizationIds}
    return {name: ((Annotated[str, one_of(values)] if values else texts.get(name, OptionText)) | None, None)
            for name, values in found.items()}  # fmt: skip


_WithOptions = create_model("FigureAsked", __base__=FigureAsked, **_options())


@operation("/metrics", subject="Figures")
def metrics(session: Session, asked: NothingAsked) -> Items[MetricDefined]:
    """What each metric counts, by CHAOSS's names where it has one."""
    return Items(items=[MetricDefined.model_validate(one) for one in METRICS.values()])


@operation("/figures", subject="Figures")
def figures(session: Session, asked: NothingAsked) -> Items[FigureLine]:
    """Every figure that can be asked for."""
    return Items(items=[
        FigureLine(key=one.key, title=one.title, metric=one.metric.key, scopes=list(one.scopes),
                   options={name: list(values) for name, values in one.options.items()})
        for one in FIGURES.values()
    ])  # fmt: skip


def _csv(session: Session, asked: FigureAsked) -> Csv:
    found = _read(session, asked)
    headers = {"X-Rests-On": found.grounds.text} if found.grounds else {}
    return Csv(found.as_csv(), f"{found.key}-{found.window.since}-{found.window.until}.csv", headers)


@operation("/figures/{figure}", subject="Figures", asked=_WithOptions, as_csv=_csv, moving=("as_of",))
def figure(session: Session, asked: FigureAsked) -> FigureDrawn:
    """A figure's rows, of a scope and window.

    With `Accept: text/csv`, the rows alone. Without since, until and window it is the last year.
    """
    return FigureDrawn.model_validate(_read(session, asked).as_json())


@example("figure")
def _a_figure(session: Session) -> str | None:
    return next((key for key, one in FIGURES.items() if "everything" in one.scopes), None)


def asked_look(session: Session, asked: WindowAsked) -> Look:
    """The look at these days; 404 and 422 as pages say them."""
    given = asked.model_dump(exclude_none=True, mode="json")
    try:
        return read_look(session, given, now=clock_of(session).now())
    except NothingThere as nothing:
        abort(404, str(nothing))
    except BadAddress as bad:
        raise WrongParameters(bad.problems) from None


def _read(session: Session, asked: FigureAsked) -> Figure:
    given = asked.model_dump(exclude={"figure"}, exclude_none=True, mode="json")
    try:
        return read_figure(session, asked.figure, given, now=clock_of(session).now())
    except NothingThere as nothing:
        abort(404, str(nothing))
    except BadAddress as bad:
        # A figure of one thing says that its scope is missing: the parameters that could give it.
        scopes = [name for name in FIGURES[asked.figure].scopes if name != "repository"]
        named = [(one, text) for name, text in bad.problems for one in (scopes if name == "scope" else [name])]
        raise WrongParameters(named) from None
