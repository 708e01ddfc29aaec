"""The foundation itself: what it is, its tiers, its rules, and which version of governance/ is in force."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from app.api.fields import Answer, Asked
from app.api.operations import operation
from app.governance.queries import current, version_in_force
from app.governance_files import RuleEntry, TierTerm
from app.governance_files import Target as HardwareTarget
from app.settings import current_settings


class Project(Answer):
    """A project of the foundation."""

    key: str
    name: str
    package: str
    summary: str


class Term(Answer):
    """What a tier is called and costs from a day until a day, both included."""

    name: str
    starts_on: date
    ends_on: date | None
    annual_dues_usd: int
    seats_each_member: int | None
    seats_one_per: int | None
    seats_at_most: int | None

    @classmethod
    def of(cls, term: TierTerm) -> Term:
        """A term of tiers.yaml."""
        seats = term.seats
        return cls(
            name=term.name, starts_on=term.starts_on, ends_on=term.ends_on, annual_dues_usd=term.annual_dues_usd,
            seats_each_member=seats.each_member if seats else None, seats_one_per=seats.one_per if seats else None,
            seats_at_most=seats.at_most if seats else None,
        )  # fmt: skip


class Tier(Answer):
    """A class of membership."""

    key: str
    summary: str
    terms: list[Term]


class Rule(Answer):
    """A threshold by which something is decided, as rules.yaml writes it."""

    key: str
    title: str
    body: str
    clause: str
    meeting: str | None
    electronic: str | None
    quorum: str | None
    abstentions: str

    @classmethod
    def of(cls, rule: RuleEntry) -> Rule:
        """A rule of rules.yaml."""
        texts = {name: str(value) if (value := getattr(rule, name)) is not None else None
                 for name in ("meeting", "electronic", "quorum")}  # fmt: skip
        return cls(key=rule.key, title=rule.title, body=rule.body, clause=rule.clause,
                   abstentions=rule.abstentions.value, **texts)  # fmt: skip


class Gate(Answer):
    """What a change or a release needs before it goes on."""

    key: str
    title: str
    of: str
    needs: list[str]
    clause: str


class Target(Answer):
    """A kind of hardware that releases are proved on (`required`), or shown for (`tried`)."""

    key: str
    name: str
    device: str
    system: str
    machine: str
    gate: str
    since: date
    note: str

    @classmethod
    def of(cls, target: HardwareTarget) -> Target:
        """A target of hardware.yaml."""
        return cls(key=target.key, name=target.name, device=target.device, system=target.platform.system,
                   machine=target.platform.machine, gate=target.gate, since=target.since, note=target.note)  # fmt: skip


class SingleMaintainer(Answer):
    """Who may approve, sign or publish where a module has fewer active maintainers than this."""

    fewer_than: int
    stand_in_body: str
    stand_in_seat: str
    reason_needed: bool
    clause: str


class UnsettledAuthor(Answer):
    """How many more approvals each module needs for each author of a change whom nobody knows."""

    further_approvals: int
    clause: str


class Foundation(Answer):
    """The foundation, and the version of governance/ that all answers rest on."""

    name: str
    purpose: str
    projects: list[Project]
    tiers: list[Tier]
    rules: list[Rule]
    gates: list[Gate]
    single_maintainer: SingleMaintainer
    unsettled_author: UnsettledAuthor
    hardware: list[Target]
    governance_sha256: str
    governed_since: datetime
    is_synthetic: bool


class FoundationAsked(Asked):
    """Nothing: there is one foundation."""


@operation("/foundation", subject="Foundation")
def foundation(session: Session, asked: FoundationAsked) -> Foundation:
    """The foundation: its projects, tiers, rules and gates, and the hardware that releases are proved on."""
    found, version = current(session), version_in_force(session)
    about, alone = found.foundation, found.single_maintainer_entry
    return Foundation(
        name=about.name, purpose=about.purpose,
        projects=[Project.model_validate(one) for one in about.projects],
        tiers=[Tier(key=tier.key, summary=tier.summary, terms=[Term.of(term) for term in tier.terms])
               for tier in found.tiers],
        rules=[Rule.of(rule) for rule in found.rules],
        gates=[Gate.model_validate(one) for one in found.gates],
        single_maintainer=SingleMaintainer(
            fewer_than=alone.fewer_than, stand_in_body=alone.stand_in.body, stand_in_seat=alone.stand_in.seat,
            reason_needed=alone.reason_needed, clause=alone.clause),
        unsettled_author=UnsettledAuthor.model_validate(found.unsettled_author_entry),
        hardware=[Target.of(one) for one in found.targets],
        governance_sha256=version.sha256, governed_since=version.synced_at,
        is_synthetic=current_settings().synthetic,
    )  # fmt: skip
