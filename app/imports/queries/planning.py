"""What a file would change here: every change as a sentence with its line, found without changing anything."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of
from app.governance.queries import current, is_governed
from app.imports.rules import Keeps, Line, Member, OwnsDomain, Parsed, SamePerson, Who, WorksFor, company_key
from app.members import queries as members
from app.members.models import Organization, OrganizationDomain, Proposal
from app.members.rules import Span
from app.modules import queries as modules
from app.modules.rules import modules_of
from app.people import queries as people
from app.people.domains import employer_hosts, plain_host, registrable
from app.people.models import Person
from app.people.queries import Directory
from app.people.rules import EVER, identifies_one_person


@dataclass(frozen=True)
class Change:
    """One change: a sentence, and what is needed to make it. `organization` is a name where it is to be made first."""

    line: int
    kind: str
    text: str
    person: int | None = None
    organization: int | str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    pair: tuple[tuple[str, str], tuple[int, ...]] | None = None
    domain: str = ""
    tier: str = ""
    website: str = ""
    module: str = ""
    identity: int | None = None
    role: str = ""
    path: str = ""


@dataclass
class Plan:
    """All changes of a file, what is wrong with it, and what it says that changes nothing."""

    changes: list[Change] = field(default_factory=list)
    problems: list[Line] = field(default_factory=list)
    notes: list[Line] = field(default_factory=list)
    same: int = 0
    absent: int = 0

    @property
    def counted(self) -> dict[str, int]:
        """How many changes of each kind."""
        found: dict[str, int] = defaultdict(int)
        for change in self.changes:
            found[change.kind] += 1
        return dict(sorted(found.items()))


def plan(session: Session, parsed: Parsed) -> Plan:
    """What would change; with any problem, nothing would."""
    found = Plan(problems=sorted(parsed.problems), notes=sorted(parsed.notes))
    if found.problems:
        return found
    here = _Here(session)
    for claim in parsed.claims:
        match claim:
            case WorksFor():
                _works_for(found, here, claim)
            case OwnsDomain():
                _owns_domain(found, here, claim)
            case SamePerson():
                _same_person(found, here, claim)
            case Keeps():
                _keeps(found, here, claim)
            case Member():
                _member(found, here, claim)
    found.notes = sorted(found.notes)
    return found


class _Here:
    """What the portal holds, read once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.directory: Directory = people.directory(session)
        self.said: set[tuple[int, int | str | None, date, date | None]] = {*people.imported(session)}
        self.organizations: dict[str, Organization] = {}
        for one in sorted(members.organizations(session), key=lambda one: one.id):
            self.organizations.setdefault(company_key(one.name), one)
        self.planned: dict[str, str] = {}
        self.domains: dict[str, list[tuple[Span, int]]] = defaultdict(list)
        for row in session.scalars(sa.select(OrganizationDomain)):
            self.domains[row.domain].append((Span(row.starts_on, row.ends_on), row.organization_id))
        hosts = {address.rpartition("@")[2] for address in self.directory.by_address}
        self.hosts = {domain for host in hosts for domain in employer_hosts(f"x@{host}")}
        self.paths = modules.paths(session)
        self.module_names = {one.key: one.name for one in modules.modules(session)}
        self.today = clock_of(session).now().date()
        self.tiers: dict[str, str] = {}
        if is_governed(session):
            for tier in current(session).tiers:
                self.tiers |= {tier.key.casefold(): tier.key}
                self.tiers |= {term.name.casefold(): tier.key for term in tier.terms}
        self.names: dict[int, str] = {}
        self.kept: set[tuple[str, int, str]] = set()

    def identities(self, who: Who) -> list[int]:
        found = [number for email in who.emails for number in self.directory.by_address.get(email, [])]
        return found + [number for one in who.logins for number in self.directory.by_login.get(one.casefold(), [])]

    def person(self, who: Who) -> int | None:
        numbers = self.identities(who)
        return self.directory.person[numbers[0]] if numbers else None

    def called(self, person: int) -> str:
        if person not in self.names:
            self.names[person] = people.shown_name(self.session.get_one(Person, person))
        return self.names[person]

    def organization(self, plan: Plan, line: int, name: str, *, website: str = "") -> int | str:
        """Its row number; or its name, with the change that makes it."""
        known = self.organizations.get(company_key(name))
        if known is not None:
            return known.id
        key = company_key(name)
        if key not in self.planned:
            self.planned[key] = " ".join(name.split())[:200]
            text = f"the organization {self.planned[key]} is entered"
            plan.changes.append(Change(line, "organization", text, organization=self.planned[key], website=website))
        return self.planned[key]

    def is_known(self, name: str) -> bool:
        return company_key(name) in self.organizations or company_key(name) in self.planned


def _works_for(plan: Plan, here: _Here, claim: WorksFor) -> None:
    person = here.person(claim.who)
    if person is None:
        plan.absent += 1
        return
    starts = claim.starts_on or EVER
    if claim.ends_on is not None and claim.ends_on < starts:
        plan.notes.append(Line(claim.line, f"ends on {claim.ends_on}, before there was anything"))
        return
    organization = here.organization(plan, claim.line, claim.organization) if claim.organization else None
    key = (person, organization, starts, claim.ends_on)
    if key in here.said:
        plan.same += 1
        return
    here.said.add(key)
    whom = f"for {claim.organization}" if claim.organization else "for nobody (independent)"
    text = f"{here.called(person)} works {whom}{_span(claim.starts_on, claim.ends_on)}"
    plan.changes.append(Change(claim.line, "statement", text, person=person, organization=organization,
                               starts_on=starts, ends_on=claim.ends_on))  # fmt: skip


def _owns_domain(plan: Plan, here: _Here, claim: OwnsDomain) -> None:
    domain, wanted = plain_host(claim.domain.strip(". ")), Span(claim.starts_on or EVER, claim.ends_on)
    if registrable(domain) is None:
        plan.notes.append(Line(claim.line, f"{domain} is freemail, local or a public suffix: it can be nobody’s"))
        return
    holders = [(span, owner) for span, owner in here.domains[domain] if span.overlaps(wanted)]
    own = here.organizations.get(company_key(claim.organization))
    if holders:
        if own is not None and all(owner == own.id for _, owner in holders):
            plan.same += 1
        else:
            plan.notes.append(Line(claim.line, f"{domain} is another organization’s on these days; end that first"))
        return
    if not here.is_known(claim.organization) and domain not in here.hosts:
        plan.absent += 1
        return
    organization = here.organization(plan, claim.line, claim.organization)
    here.domains[domain].append((wanted, own.id if own else -1))
    text = f"{domain} is {claim.organization}’s{_span(claim.starts_on, claim.ends_on)}"
    plan.changes.append(Change(claim.line, "domain", text, organization=organization, domain=domain,
                               starts_on=wanted.starts_on, ends_on=wanted.ends_on))  # fmt: skip


def _same_person(plan: Plan, here: _Here, claim: SamePerson) -> None:
    (name, proper), (seen_name, seen) = claim.proper, claim.seen
    seen_ids = here.directory.by_address.get(seen, [])
    if seen_name:
        seen_ids = [number for number in seen_ids if here.directory.name[number] == seen_name]
    if proper == seen:
        plan.same += 1
        return
    if not seen_ids:
        plan.absent += 1
        return
    proper_ids = here.directory.by_address.get(proper, [])
    targets = {here.directory.person[number] for number in proper_ids}
    sources = {here.directory.person[number] for number in seen_ids}
    if proper_ids and sources == targets:
        plan.same += 1
        return
    if len((sources | targets) & here.directory.claimed) > 1:
        plan.notes.append(Line(claim.line, "would join two people who hold seats or sign in; staff decide that"))
        return
    if not proper_ids and not identifies_one_person(proper):
        plan.notes.append(Line(claim.line, f"{proper} is shared or local: it tells nobody apart"))
        return
    left = here.called(min(sources))
    right = here.called(min(targets)) if targets else name or proper.partition("@")[0]
    text = f"{left} and {right} are one person"
    plan.changes.append(Change(claim.line, "join", text, pair=((name, proper), tuple(seen_ids))))


def _keeps(plan: Plan, here: _Here, claim: Keeps) -> None:
    keys = _modules_under(claim.path, here)
    if not keys:
        plan.notes.append(Line(claim.line, f"{claim.path or 'the top folder'} is no module’s"))
        return
    numbers = here.identities(claim.who)
    if not numbers:
        plan.absent += 1
        return
    person = here.directory.person[numbers[0]]
    for key in keys:
        if (key, numbers[0], claim.role) in here.kept:
            continue
        here.kept.add((key, numbers[0], claim.role))
        text = f"{here.called(person)} is named as {claim.role} of {here.module_names.get(key, key)}"
        plan.changes.append(Change(claim.line, "keeper", text, person=person, module=key, identity=numbers[0],
                                   role=claim.role, path=claim.path[:300]))  # fmt: skip


def _modules_under(path: str, here: _Here) -> tuple[str, ...]:
    """The modules of what lies under a pattern of CODEOWNERS or a folder."""
    plain = path.strip("/").removesuffix("/**").removesuffix("/*").removesuffix("**")
    if plain in ("", "*"):
        return modules_of("a-file", here.paths)
    if "*" in plain or "?" in plain:
        return ()
    name = plain.rsplit("/", 1)[-1]
    return modules_of(plain, here.paths) if "." in name and not path.endswith("/") else modules_of(
        f"{plain}/a-file", here.paths) or modules_of(plain, here.paths)  # fmt: skip


def _member(plan: Plan, here: _Here, claim: Member) -> None:
    organization = here.organization(plan, claim.line, claim.organization, website=claim.website)
    known = here.organizations.get(company_key(claim.organization))
    domain = registrable(urlsplit(claim.website).hostname or "") or ""
    if domain and not here.domains[domain] and not _is_proposed(here, known, domain):
        here.domains[domain].append((Span(EVER, None), known.id if known else -1))
        text = f"{claim.organization} is asked about the domain {domain} of its website; it counts once staff accept"
        plan.changes.append(Change(claim.line, "proposal", text, organization=organization, domain=domain,
                                   starts_on=claim.joined or here.today))  # fmt: skip
    tier = here.tiers.get(claim.tier.casefold())
    if tier is None or claim.joined is None:
        why = f"the tier {claim.tier!r} is none of ours" if tier is None else "it says no day"
        plan.notes.append(Line(claim.line, f"{claim.organization}: the membership is not entered, {why}"))
    elif members.term_of(here.session, tier, claim.joined) is None:
        plan.notes.append(Line(claim.line, f"{claim.organization}: no tier {tier} was offered on {claim.joined}"))
    elif known is not None and members.memberships_of(here.session, known):
        plan.same += 1
    else:
        text = f"{claim.organization} is a member ({tier}) from {claim.joined}"
        plan.changes.append(Change(claim.line, "membership", text, organization=organization, tier=tier,
                                   starts_on=claim.joined))  # fmt: skip


def _is_proposed(here: _Here, known: Organization | None, domain: str) -> bool:
    if known is None:
        return False
    asked = sa.select(Proposal.id).where(Proposal.organization_id == known.id, Proposal.domain == domain)
    return here.session.scalar(asked.limit(1)) is not None


def _span(starts: date | None, ends: date | None) -> str:
    return (f" from {starts}" if starts else "") + (f" until {ends}" if ends else "")
