"""Reads changes: whose turn each is, from identities, modules and seats as of now, and what its page shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.auth import User
from app.contributions.clones import Clone, GitError
from app.contributions.diffs import Diff
from app.contributions.models import Change, ChangeCommit, ChangeFile, ChangeSource, ChangeState, Repository
from app.contributions.private import is_shown
from app.contributions.registry import clone_of
from app.contributions.turns import provide_turns
from app.db import clock_of
from app.governance.queries import current, is_governed
from app.modules import queries as modules
from app.modules.rules import ModulePaths
from app.people.models import Identity, IdentityPerson, Person
from app.people.queries import canonical_id, names_of
from app.people.queries.identities import address_of
from app.people.rules import Role, identifies_one_person, masked
from app.reviews import difference, rules, store
from app.reviews.difference import Place
from app.reviews.models import ForkRetry, Review
from app.reviews.rules import CommitSeen, Opinion, Turn, Unsettled, Whose
from app.rulebook import GateVerdict, Signers
from app.rulebook.paths import owners
from app.settings import Settings
from app.wording import counted

CLOSED_SHOWN = 20
OPEN_SHOWN = 100


@dataclass(frozen=True)
class Standing:
    """Where a change stands now: who wrote any of it, which authors are nobody known (name, e-mail), who approved this
    head, which modules it touches, both gates, and whose turn it is.
    """

    authors: frozenset[str]
    strangers: tuple[tuple[str, str], ...]
    unsettled: Unsettled | None
    approved: frozenset[str]
    signers: Mapping[str, Signers]
    sign_off: GateVerdict
    approval: GateVerdict
    turn: Turn

    @property
    def approvals_missing(self) -> int:
        """How many approvals a module without any further rule still needs, at most."""
        needed = self.unsettled.needed if self.unsettled else 1
        signed = [len(self.approved & who.maintainers - self.authors) for who in self.signers.values()]
        return max(1, needed - min(signed, default=0))


@dataclass(frozen=True)
class Item:
    """A line of the queue."""

    change: Change
    repository_name: str
    modules: tuple[str, ...]
    turn: Turn | None


@dataclass(frozen=True)
class Word:
    """Something said of a change, with who said it and, for a line, the anchor where it stands."""

    review: Review
    person: Person
    anchor: str

    @property
    def place(self) -> Place | None:
        """The line that it was said of; None for the change as a whole."""
        if self.review.path is None or self.review.side is None or self.review.line is None:
            return None
        return Place(self.review.path, self.review.side.value, self.review.line)


def now(session: Session) -> datetime:
    """The moment by the portal's clock."""
    return clock_of(session).now()


def change_by_public_id(session: Session, public_id: str) -> Change | None:
    """The change with this public id, unless its repository is private at its source."""
    return session.scalar(sa.select(Change).where(Change.public_id == public_id, is_shown(Change.repository_id)))


def repository_of(session: Session, change: Change) -> Repository:
    """The repository that the change is of."""
    return session.get_one(Repository, change.repository_id)


def queue(session: Session, user: User) -> tuple[list[Item], list[Item]]:
    """The open changes that moved last (at most OPEN_SHOWN): those that this user can move, and the others."""
    rows = session.execute(
        sa.select(Change, Repository.name)
        .join(Repository, Repository.id == Change.repository_id)
        .where(_is_open())
        .order_by(Change.updated_at.desc(), Change.id.desc())
        .limit(OPEN_SHOWN)
    ).all()
    standings = _standings(session, [row.Change for row in rows])
    me = str(canonical_id(session, user.person_id)) if user.person_id is not None else None
    mine: list[Item] = []
    others: list[Item] = []
    for row in rows:
        standing = standings[row.Change.id]
        item = Item(row.Change, row.name, tuple(standing.signers), standing.turn)
        is_mine = me is not None and rules.is_mine(
            standing.turn, standing.signers, person=me, author=me if me in standing.authors else None,
            approved=standing.approved,
        )  # fmt: skip
        (mine if is_mine else others).append(item)
    return mine, others


def newest_open(session: Session) -> Change | None:
    """The open change that moved last."""
    query = sa.select(Change).where(_is_open())
    return session.scalar(query.order_by(Change.updated_at.desc(), Change.id.desc()).limit(1))


def open_count(session: Session) -> int:
    """How many changes are open."""
    query = sa.select(sa.func.count()).select_from(Change).where(_is_open())
    return session.scalar(query) or 0


def _is_open() -> sa.ColumnElement[bool]:
    return sa.and_(Change.state == ChangeState.OPEN, is_shown(Change.repository_id))


def lately_closed(session: Session) -> list[Item]:
    """The changes closed last."""
    rows = session.execute(
        sa.select(Change, Repository.name)
        .join(Repository, Repository.id == Change.repository_id)
        .where(Change.state != ChangeState.OPEN, Change.closed_at.is_not(None), is_shown(Change.repository_id))
        .order_by(Change.closed_at.desc(), Change.id.desc())
        .limit(CLOSED_SHOWN)
    ).all()
    return [Item(row.Change, row.name, (), None) for row in rows]


_WHOSE = {Whose.AUTHOR: "the author’s turn", Whose.REVIEWERS: "the reviewers’ turn", Whose.MERGER: "ready to be merged"}


@provide_turns
def turns_of(session: Session, changes: Collection[str]) -> dict[str, str]:
    """Whose turn each of these open changes is, for pages of contributions."""
    query = sa.select(Change).where(Change.public_id.in_(sorted(changes)), Change.state == ChangeState.OPEN,
                                    Change.head_sha != "")  # fmt: skip
    rows = list(session.scalars(query)) if is_governed(session) else []
    standings = _standings(session, rows)
    return {one.public_id: _WHOSE[standings[one.id].turn.whose] for one in rows
            if standings[one.id].turn.whose in _WHOSE}  # fmt: skip


def standing_of(session: Session, change: Change) -> Standing:
    """Where one change stands now."""
    return _standings(session, [change])[change.id]


def difference_of(session: Session, settings: Settings, repository: Repository, change: Change) -> tuple[Diff, str]:
    """The difference of a change as the clone has it, or an empty one with a sentence of why it is not there."""
    clone = clone_of(settings, repository)
    is_forks = change.source_kind is ChangeSource.PULL_REQUEST and not change.head_ref
    if is_forks and clone.proposed.exists:
        clone = clone.proposed
    try:
        return clone.diff(change.base_sha, change.head_sha), ""
    except GitError as error:
        why = _why_not(session, settings, change) if is_forks else _why_gone(clone, change)
        return Diff(), why or (
            f"The difference cannot be shown now: {error}. It comes back with the next reading."
        )


def _why_gone(clone: Clone, change: Change) -> str:
    """Why the difference of a branch is not there for good; "" where it may come back."""
    if change.closed_at is None or clone.has(change.head_sha):
        return ""
    ended = f"{change.state.value} on {change.closed_at:%Y-%m-%d}"
    return f"It was {ended} and its branch is gone; of its commits only what is in another branch is kept here."


def difference_elsewhere(change: Change) -> str:
    """Where its forge shows the difference: GitHub beside the pull request itself; "" where it has no page there.

    >>> difference_elsewhere(Change(url="https://github.com/acme/core/pull/8"))
    'https://github.com/acme/core/pull/8/files'
    """
    return f"{change.url}/files" if re.search(r"/pull/\d+$", change.url) else change.url


def _why_not(session: Session, settings: Settings, change: Change) -> str:
    """Why the difference of a fork's pull request is not there; "" where its reading is to come."""
    if change.closed_at is not None and change.closed_at <= store.kept_since(settings, now(session)):
        days = counted(settings.proposed_days, "day")
        return f"It was closed on {change.closed_at:%Y-%m-%d}; contents from forks are kept for {days} after that."
    if change.asked_sha == change.head_sha and change.too_long:
        return f"The difference cannot be shown: {change.too_long}."
    retry = session.get(ForkRetry, change.id)
    if retry is not None and retry.head_sha == change.head_sha:
        return f"The difference could not be read; it is tried again at {retry.again_at:%H:%M} UTC."
    return ""


def words_of(session: Session, change: Change, anchors: Mapping[Place, str]) -> list[Word]:
    """All that was said, the oldest first."""
    reviews = list(session.scalars(sa.select(Review).where(Review.change_id == change.id).order_by(Review.id)))
    persons = names_of(session, {review.person_id for review in reviews})
    words = [Word(review, persons[review.person_id], "") for review in reviews]
    return [Word(word.review, word.person, anchors.get(word.place, "") if word.place else "") for word in words]


def nearest_of(session: Session, standing: Standing) -> list[tuple[Person, tuple[str, ...]]]:
    """The fewest persons whose approvals would open the gate, each with the modules that they approve for."""
    others = {key: replace(who, maintainers=who.maintainers - standing.authors - standing.approved)
              for key, who in standing.signers.items()}  # fmt: skip
    nearest = rules.nearest_approvers(others, standing.turn.modules, author=None, approvals=standing.approvals_missing)
    persons = names_of(session, {int(person) for person, _keys in nearest})
    return [(persons[int(person)], keys) for person, keys in nearest if int(person) in persons]


def modules_of_paths(session: Session, paths: Collection[str]) -> dict[str, str | None]:
    """Each path with the module that it belongs to; None where none owns it."""
    return _module_of(paths, modules.paths(session))


def look(session: Session, settings: Settings, change: Change) -> dict[str, Any]:
    """All that the page of a change shows."""
    repository = repository_of(session, change)
    standing = standing_of(session, change)
    diff, problem = difference_of(session, settings, repository, change)
    words = words_of(session, change, difference.anchors(diff))
    return {
        "repository": repository,
        "turn": standing.turn,
        "sign_off": standing.sign_off,
        "approval": standing.approval,
        "strangers": standing.strangers,
        "nearest": nearest_of(session, standing),
        "commits": list(
            session.scalars(
                sa.select(ChangeCommit).where(ChangeCommit.change_id == change.id).order_by(ChangeCommit.position)
            )
        ),
        "words": words,
        "problem": problem,
        "elsewhere": difference_elsewhere(change),
        "files": difference.show(diff, modules=modules_of_paths(session, diff.paths), words=words),
    }


@modules.provide_activity
def last_reviewed(session: Session, persons: Collection[int]) -> dict[int, date]:
    """The last day on which each of these persons said something of a change: reviewing is activity."""
    rows = session.execute(
        sa.select(Review.person_id, sa.func.max(Review.said_at).label("last"))
        .where(Review.person_id.in_(persons))
        .group_by(Review.person_id)
    )
    return {row.person_id: row.last.date() for row in rows if row.last is not None}


def _standings(session: Session, changes: Sequence[Change]) -> dict[int, Standing]:
    if not changes:
        return {}  # governance/ need not be synced yet
    ids = [change.id for change in changes]
    commits = _grouped(session, sa.select(ChangeCommit).order_by(ChangeCommit.position), ChangeCommit.change_id, ids)
    files = _grouped(session, sa.select(ChangeFile), ChangeFile.change_id, ids)
    reviews = _grouped(session, sa.select(Review).order_by(Review.id), Review.change_id, ids)
    said_by = names_of(session, {review.person_id for listed in reviews.values() for review in listed})
    written = {change.id: _written(change, commits[change.id]) for change in changes}
    persons = _authors(session, {one for listed in written.values() for one in listed})
    rule = current(session).unsettled_author
    paths = modules.paths(session)
    today = now(session).date()
    known: dict[str, Signers] = {}
    if len(changes) > 1:
        known = {key: who.signers for key, who in modules.maintainers_by_module(session, today).items()}
    found = {}
    for change in changes:
        owned = _module_of([file.path for file in files[change.id]], paths)
        touched = sorted({key for key in owned.values() if key is not None})
        for key in touched:
            if key not in known:
                known[key] = modules.maintainers_of(session, key, today).signers
        signers = {key: known[key] for key in touched}
        mine = written[change.id]
        authors = frozenset(person for one in mine for person in persons[one].barred)
        unknown = {_who_wrote(name, email): (name, email) for name, email in mine
                   if not persons[name, email].is_settled}  # fmt: skip
        strangers = tuple(sorted(unknown.values()))
        shown = tuple(f"{name} <{masked(email)}>" for name, email in strangers)
        unsettled = Unsettled(shown, rule) if shown else None
        opinions = [_opinion(review, said_by[review.person_id]) for review in reviews[change.id]]
        said = rules.current(opinions, head=change.head_sha).values()
        approved = frozenset(word.person for word in said if word.verdict is rules.Verdict.APPROVE)
        sign_off = rules.sign_off_gate([_seen(commit) for commit in commits[change.id]])
        approval = rules.approval_gate(
            signers,
            opinions,
            head=change.head_sha,
            author=None,
            co_authors=authors,
            unsettled=unsettled,
            unowned=sum(key is None for key in owned.values()),
            too_long=change.too_long,
        )
        turn = rules.whose_turn(sign_off, approval, is_open=change.state is ChangeState.OPEN)
        found[change.id] = Standing(authors, strangers, unsettled, approved, signers, sign_off, approval, turn)
    return found


def _written(change: Change, commits: Sequence[ChangeCommit]) -> list[tuple[str, str]]:
    """Name and e-mail of everybody who wrote any of a change: authors, and whom a commit names as co-author."""
    authors = [(change.author_name, change.author_email), *((one.author_name, one.author_email) for one in commits)]
    return [*authors, *((name, email) for commit in commits for name, email in commit.co_authors)]


def _grouped(session: Session, query: sa.Select[Any], column: Any, ids: Sequence[int]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = {number: [] for number in ids}
    for row in session.scalars(query.where(column.in_(ids))):
        grouped[row.change_id].append(row)
    return grouped


@dataclass(frozen=True)
class _Author:
    """Whom a name and e-mail may be: all of them are `barred` from approving, and `is_settled` if one is known."""

    barred: frozenset[str]
    is_settled: bool


def _who_wrote(name: str, email: str) -> tuple[str, str]:
    """What tells one unknown author from another: the address, and the name beside one that many write under."""
    address = address_of(email)
    return ("", address) if identifies_one_person(address) else (name, address)


def _authors(session: Session, written: Collection[tuple[str, str]]) -> dict[tuple[str, str], _Author]:
    """(name, e-mail) as written -> the persons whose identities carry the address.

    An address that many write under (noreply, root, a local host) settles only who writes the very same name too, and
    a bot or a tool settles nobody: a person stands behind it, who may be the one that approves.
    """
    same = sa.func.coalesce(Person.merged_into_id, Person.id).label("person")
    rows = session.execute(
        sa.select(Identity.address, Identity.name, same, IdentityPerson.role)
        .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
        .join(Person, Person.id == IdentityPerson.person_id)
        .where(Identity.address.in_({address_of(email) for _name, email in written} - {""}))
        .distinct()
    ).all()
    carriers: dict[str, set[tuple[str, str]]] = {}
    people: dict[str, set[str]] = {}
    for row in rows:
        who = row.name, str(row.person)
        carriers.setdefault(row.address, set()).add(who)
        if row.role is Role.PERSON:
            people.setdefault(row.address, set()).add(row.name)
    found = {}
    for name, email in written:
        known = carriers.get(address_of(email), set())
        names = people.get(address_of(email), set())
        is_settled = bool(names) if identifies_one_person(address_of(email)) else name in names
        found[name, email] = _Author(frozenset(person for _, person in known), is_settled)
    return found


def _module_of(paths: Collection[str], of: Collection[ModulePaths]) -> dict[str, str | None]:
    globs = {module.key: module.paths for module in of}
    return {path: next(iter(owners(path, globs)), None) for path in paths}


def _seen(commit: ChangeCommit) -> CommitSeen:
    author = f"{commit.author_name} <{commit.author_email}>"
    return CommitSeen(commit.sha, commit.subject, author, tuple(commit.missing_sign_offs))


def _opinion(review: Review, by: Person) -> Opinion:
    return Opinion(str(by.id), review.verdict, review.head_sha, review.text)
