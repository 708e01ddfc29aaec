"""What each file of governance/ may say, as types."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from app.governance_files.document import Document
from app.governance_files.recipe import Recipe
from app.rulebook import Abstentions, Rule, RulebookError, SingleMaintainer, Source, Threshold, UnsettledAuthor
from app.rulebook.paths import Glob

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(-[a-z0-9_]+)*$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Clause = Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]


class Permissions(Document):
    business: tuple[Text, ...]
    technical: tuple[Text, ...]

    def nature(self, permission: str) -> Literal["business", "technical"]:
        """The power that a permission belongs to; one that no line names is technical, to be on the safe side."""
        return "business" if any(_fits(permission, pattern) for pattern in self.business) else "technical"


class Project(Document):
    key: Key
    name: Text
    package: Text
    summary: Text


class Foundation(Document):
    name: Text
    short_name: Text
    purpose: Text
    charter: Text
    projects: tuple[Project, ...]
    active_within_days: int = Field(ge=1, le=3660)
    statement_window_days: int = Field(ge=0, le=3660)
    permissions: Permissions


class Entitlement(Document):
    """Seats that a tier gives: one to each member, or a class's share of `one_per` members, `at_most` so many."""

    each_member: int | None = Field(default=None, ge=1)
    one_per: int | None = Field(default=None, ge=1)
    at_most: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Entitlement:
        if (self.each_member is None) == (self.one_per is None):
            raise ValueError("write either each_member, or one_per (and at_most)")
        if self.each_member is not None and self.at_most is not None:
            raise ValueError("at_most belongs to one_per, not to each_member")
        return self

    def class_seats(self, members: int) -> int:
        """Seats of the class with so many members: one begun for every `one_per`, never more than `at_most`."""
        if self.one_per is None:
            return members * (self.each_member or 0)
        seats = -(-members // self.one_per)
        return seats if self.at_most is None else min(seats, self.at_most)


class TierTerm(Document):
    """What a tier was called, cost and gave from a day until a day, both included."""

    name: Text
    starts_on: date = Field(alias="from")
    ends_on: date | None = Field(default=None, alias="until")
    annual_dues_usd: int = Field(ge=0)
    seats: Entitlement | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> TierTerm:
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError(f"it ends on {self.ends_on}, before it starts on {self.starts_on}")
        return self

    def holds_on(self, day: date) -> bool:
        """Whether this term is in force on the day."""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


class Tier(Document):
    key: Key
    summary: Text
    terms: tuple[TierTerm, ...] = Field(min_length=1)

    def on(self, day: date) -> TierTerm | None:
        """The term in force on the day."""
        return next((term for term in self.terms if term.holds_on(day)), None)


class Tiers(Document):
    tiers: tuple[Tier, ...]


class SeatEntry(Document):
    """A seat, or `count` equal ones, or any number (None, written open)."""

    key: Key
    name: Text
    kind: Literal[
        "administrator", "staff", "governor", "lead", "councillor", "maintainer", "member", "representative", "chair"
    ]
    appointed_by: str = Field(pattern=r"^(staff|(tier|body|election|project):[a-z][a-z0-9_:-]*)$")
    votes: int = Field(default=0, ge=0, le=10)
    alternates: bool = False
    count: Annotated[int | None, BeforeValidator(lambda value: None if value == "open" else value)] = Field(
        default=1, ge=1, le=500
    )
    term_years: int | None = Field(default=None, ge=1, le=20)

    @property
    def tier(self) -> str | None:
        """The tier that appoints it, if one does."""
        return self.appointed_by.removeprefix("tier:") if self.appointed_by.startswith("tier:") else None


class BodyRules(Document):
    quorum: Key | None = None
    motion: Key | None = None


class Body(Document):
    key: Key
    name: Text
    kind: Literal["board", "council", "administration", "working_group"]
    nature: Literal["business", "technical", "administration"]
    summary: Text
    clause: Clause
    employer_cap: int | None = Field(default=None, ge=1)
    related_cap: int | None = Field(default=None, ge=1)
    rules: BodyRules = BodyRules()
    seats: tuple[SeatEntry, ...] = Field(min_length=1)


class Bodies(Document):
    bodies: tuple[Body, ...]


def _threshold(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        Threshold.parse(value)
    except RulebookError as error:
        raise ValueError(str(error)) from None
    return value


ThresholdText = Annotated[str, BeforeValidator(_threshold)]


class RuleEntry(Document):
    key: Key
    title: Text
    body: str = Field(pattern=r"^([a-z][a-z0-9-]*|module:(\*|[a-z][a-z0-9_-]*))$")
    matter: Key
    clause: Clause
    meeting: ThresholdText | None = None
    electronic: ThresholdText | None = None
    quorum: ThresholdText | None = None
    abstentions: Abstentions = Abstentions.LEAVE_OUT
    net_at_least: int | None = Field(default=None, ge=1)
    electronic_clause: Clause | None = None
    quorum_clause: Clause | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> RuleEntry:
        try:
            self.as_rule("charter.md")
        except RulebookError as error:
            raise ValueError(str(error)) from None
        return self

    def as_rule(self, document: str) -> Rule:
        """The rule that the rulebook evaluates."""
        meeting, electronic, quorum = (
            None if text is None else Threshold.parse(text) for text in (self.meeting, self.electronic, self.quorum)
        )
        return Rule(
            key=self.key,
            title=self.title,
            source=Source(document, self.clause),
            meeting=meeting,
            electronic=electronic,
            quorum=quorum,
            abstentions=self.abstentions,
            net_at_least=self.net_at_least,
        )


class GateEntry(Document):
    key: Key
    title: Text
    of: Literal["change", "release"]
    needs: tuple[Key, ...] = Field(min_length=1)
    clause: Clause


class StandIn(Document):
    body: Key
    seat: Key


class SingleMaintainerEntry(Document):
    key: Literal["single-maintainer"]
    fewer_than: int = Field(ge=1, le=10)
    stand_in: StandIn
    reason_needed: bool
    clause: Clause

    def as_rule(self, document: str) -> SingleMaintainer:
        """The rule that the rulebook evaluates."""
        return SingleMaintainer(self.key, self.fewer_than, self.reason_needed, Source(document, self.clause))


class UnsettledAuthorEntry(Document):
    key: Literal["unsettled-author"]
    further_approvals: int = Field(ge=1, le=5)
    clause: Clause

    def as_rule(self, document: str) -> UnsettledAuthor:
        """The rule that the rulebook evaluates."""
        return UnsettledAuthor(self.key, self.further_approvals, Source(document, self.clause))


class Rules(Document):
    rules: tuple[RuleEntry, ...]
    gates: tuple[GateEntry, ...]
    single_maintainer: SingleMaintainerEntry
    unsettled_author: UnsettledAuthorEntry


class Maintainer(Document):
    name: Text
    email: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=254)
    since: date
    until: date | None = None
    lead: bool = False


class Module(Document):
    key: Key
    name: Text
    summary: Text
    paths: tuple[str, ...] = Field(min_length=1)
    maintainers: tuple[Maintainer, ...]

    @field_validator("paths")
    @classmethod
    def _are_globs(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            try:
                Glob.parse(path)
            except RulebookError as error:
                raise ValueError(str(error)) from None
        return paths


class Modules(Document):
    modules: tuple[Module, ...]


class Platform(Document):
    system: Key
    machine: Key


class Target(Document):
    key: Key
    name: Text
    device: Key
    platform: Platform
    gate: Literal["required", "tried"]
    since: date
    tests_wheel_of: Key | None = None
    plugin: Text | None = None
    note: str = Field(default="", max_length=500)


class Hardware(Document):
    targets: tuple[Target, ...]


class Governance(Document):
    """All of governance/ as one value: what the portal runs on once it is synced."""

    foundation: Foundation
    tiers: tuple[Tier, ...]
    bodies: tuple[Body, ...]
    rules: tuple[RuleEntry, ...]
    gates: tuple[GateEntry, ...]
    single_maintainer_entry: SingleMaintainerEntry
    unsettled_author_entry: UnsettledAuthorEntry
    modules: tuple[Module, ...]
    targets: tuple[Target, ...]
    recipe: Recipe
    clauses: dict[str, str]

    def rule(self, key: str) -> Rule:
        """The rule of this key, for the rulebook. Raises: KeyError naming the rules there are."""
        return _find(self.rules, key, "rule").as_rule(self.foundation.charter)

    def gate(self, key: str) -> GateEntry:
        """The gate of this key. Raises: KeyError naming the gates there are."""
        return _find(self.gates, key, "gate")

    @property
    def single_maintainer(self) -> SingleMaintainer:
        """The written rule for modules with too few active maintainers."""
        return self.single_maintainer_entry.as_rule(self.foundation.charter)

    @property
    def unsettled_author(self) -> UnsettledAuthor:
        """The written rule for changes by authors whom nobody knows."""
        return self.unsettled_author_entry.as_rule(self.foundation.charter)

    def tier(self, key: str) -> Tier:
        """The tier of this key. Raises: KeyError naming the tiers there are."""
        return _find(self.tiers, key, "tier")

    def body(self, key: str) -> Body:
        """The body of this key. Raises: KeyError naming the bodies there are."""
        return _find(self.bodies, key, "body")

    def target(self, key: str) -> Target:
        """The hardware target of this key. Raises: KeyError naming the targets there are."""
        return _find(self.targets, key, "target")

    def source(self, clause: str) -> Source:
        """Where something is written."""
        return Source(self.foundation.charter, clause)


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


_Thing = TypeVar("_Thing", bound=_Keyed)


def _find(things: tuple[_Thing, ...], key: str, kind: str) -> _Thing:
    for thing in things:
        if thing.key == key:
            return thing
    known = ", ".join(thing.key for thing in things)
    raise KeyError(f"governance/ has no {kind} {key!r}; it has {known}")


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
