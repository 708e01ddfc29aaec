"""What follows from identities and decisions: who is one person, and what is no person at all. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from app.people.rules.machines import known_machine


class DecisionKind(Enum):
    """What can be decided about an identity. To postpone decides nothing: it only puts a question off."""

    SAME_AS = "same-as"
    NOT_SAME_AS = "not-same-as"
    BOT = "bot"
    LANDING_BOT_FOR = "landing-bot-for"
    ASSISTANCE = "assistance"
    PERSON = "person"
    POSTPONE = "postpone"
    UNDO = "undo"


class ProofKind(Enum):
    """What can be proved: a login by signing in there, an address by a mailed link or by an issuer's word."""

    LOGIN = "login"
    ADDRESS = "address"


class Role(Enum):
    """What an identity is in the figures: bots and tools stay apart and visible."""

    PERSON = "person"
    BOT = "bot"
    LANDING_BOT = "landing-bot"
    ASSISTANCE = "assistance"


@dataclass(frozen=True)
class Named:
    """An identity as the rules see it. `address` is the e-mail in lower case; `home` the person made for it, if any.

    `proved` is the person who proved it, by signing in for a login or by a mailed link for an address.
    """

    id: int
    name: str
    address: str = ""
    login: str = ""
    source: str = "git"
    home: int | None = None
    proved: int | None = None


@dataclass(frozen=True)
class Decided:
    """A line of the log of decisions."""

    id: int
    kind: DecisionKind
    identity: int
    other: int | None = None
    undoes: int | None = None


def in_force(decisions: Iterable[Decided]) -> list[Decided]:
    """The decisions that stand: neither undone nor an undo; an undo that is itself undone has no effect.

    >>> one, undo = Decided(1, DecisionKind.BOT, 7), Decided(2, DecisionKind.UNDO, 7, undoes=1)
    >>> in_force([one, undo]), len(in_force([one, undo, Decided(3, DecisionKind.UNDO, 7, undoes=2)]))
    ([], 1)
    """
    undone: set[int] = set()
    standing = []
    for decision in sorted(decisions, key=lambda decision: decision.id, reverse=True):
        if decision.id in undone:
            continue
        if decision.kind is DecisionKind.UNDO and decision.undoes is not None:
            undone.add(decision.undoes)
        else:
            standing.append(decision)
    return standing[::-1]


# Addresses that many write under, so that sharing one says nothing.
_SHARED_LOCAL_PARTS = frozenset(
    [
        "noreply",
        "no-reply",
        "donotreply",
        "do-not-reply",
        "nobody",
        "root",
        "admin",
        "none",
        "unknown",
        "git",
        "github",
        "build",
        "ci",
        "bot",
        "mail",
        "devnull",
    ]
)


def identifies_one_person(address: str) -> bool:
    """Whether two who write under this address are the same person: not for shared, local or broken ones.

    >>> [identifies_one_person(a) for a in ("ada@acme.com", "noreply@github.com", "ada@laptop.local", "ada")]
    [True, False, False, False]
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or "." not in domain or domain.endswith((".local", ".localdomain", ".lan", ".internal")):
        return False
    return local.split("+", 1)[0] not in _SHARED_LOCAL_PARTS


def own_role(identity: Named) -> Role:
    """What an identity plainly is by its own words: `dependabot[bot]` is a bot, a tool's address is assistance."""
    found = known_machine(identity.name, identity.address, identity.login)
    return Role.PERSON if found is None else Role(found)


@dataclass(frozen=True)
class Group:
    """Identities that are one person, in order of their ids."""

    identities: tuple[int, ...]


@dataclass(frozen=True)
class Resolution:
    """Who is one person; the role of each identity; and pairs that evidence joins but a rule keeps apart."""

    groups: tuple[Group, ...]
    roles: Mapping[int, Role]
    kept_apart: tuple[tuple[int, int], ...] = field(default=())


def resolve(
    identities: Sequence[Named],
    decisions: Iterable[Decided] = (),
    links: Iterable[tuple[int, int]] = (),
    claimed: frozenset[int] = frozenset(),
) -> Resolution:
    """Groups of identities that are one person: a function of identities and decisions alone, in any order.

    Decisions come first (oldest first), then what a person proved and whatever equals it, then machines' links, then
    equal addresses and equal logins of one source. A not-same-as keeps two apart whatever joins them; neither proofs
    nor machines ever join two `claimed` persons.
    """
    known = {identity.id: identity for identity in sorted(identities, key=lambda identity: identity.id)}
    standing = [one for one in in_force(decisions) if one.identity in known]
    apart = {
        frozenset((one.identity, one.other))
        for one in standing
        if one.kind is DecisionKind.NOT_SAME_AS and one.other in known and one.other != one.identity
    }
    clusters = _Clusters(known, apart, claimed)
    for one in standing:
        if one.kind is DecisionKind.SAME_AS and one.other in known:
            clusters.join(one.identity, one.other, decided=True)
    own: dict[int, int] = {}
    for one_proved in [one for one in known.values() if one.proved is not None]:
        clusters.join(own.setdefault(one_proved.proved or 0, one_proved.id), one_proved.id, decided=True)
    kept_apart = [pair for pair in _evidence(known, links) if not clusters.join(*pair, decided=False)]
    roles = {identity.id: own_role(identity) for identity in known.values()}
    decided_roles = {
        DecisionKind.BOT: Role.BOT,
        DecisionKind.LANDING_BOT_FOR: Role.LANDING_BOT,
        DecisionKind.ASSISTANCE: Role.ASSISTANCE,
        DecisionKind.PERSON: Role.PERSON,
    }
    groups = clusters.groups()
    group_of = {identity: group for group in groups for identity in group.identities}
    for one in standing:
        if one.kind in decided_roles:
            # What somebody decided of one identity holds for the whole of it: a bot is one under each of its names.
            for identity in group_of[one.identity].identities:
                roles[identity] = decided_roles[one.kind]
    return Resolution(groups, roles, tuple(kept_apart))


def _evidence(known: Mapping[int, Named], links: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs that are taken for one person, in a fixed order: by proof, by machines' links, by equal values."""
    linked = sorted({(min(pair), max(pair)) for pair in links if pair[0] in known and pair[1] in known})
    first: dict[tuple[str, ...], Named] = {}
    proved: list[tuple[int, int]] = []
    equal: list[tuple[int, int]] = []
    for identity in sorted(known.values(), key=lambda one: (one.proved is None, one.id)):
        for key in _keys(identity):
            before = first.setdefault(key, identity)
            if before is not identity:
                (equal if before.proved is None else proved).append((before.id, identity.id))
    return [*proved, *linked, *equal]


PROOF = "proof:"
"""What the source of an identity that somebody proved begins with: `proof:github` equals logins of `github`."""
ACCOUNT = "proof:account"
"""The source of the identity that an account has from its first day and keeps whatever its person lets go of."""
_GITHUB_NOREPLY = re.compile(r"(\d+)\+[^@]*@users\.noreply\.github\.com")


def github_number(address: str) -> str:
    """The account's number in an address of GitHub's own, which stays when the login is changed; else "".

    >>> github_number("583231+octocat@users.noreply.github.com"), github_number("octocat@users.noreply.github.com")
    ('583231', '')
    """
    found = _GITHUB_NOREPLY.fullmatch(address)
    return found[1] if found else ""


def _keys(identity: Named) -> Iterator[tuple[str, ...]]:
    """Two identities that share one of these are taken for one person."""
    if number := github_number(identity.address):
        yield ("github", number)
    if identifies_one_person(identity.address):
        yield ("address", identity.address)
    elif identity.name.strip() and not identity.source.startswith(PROOF):
        yield ("same words", identity.name, identity.address, identity.login)
    if identity.login:
        yield ("login", identity.source.removeprefix(PROOF), identity.login.casefold())


class _Clusters:
    """Union-find that refuses to join what was decided to be apart, and what only a person may join."""

    def __init__(self, known: Mapping[int, Named], apart: set[frozenset[int]], claimed: frozenset[int]) -> None:
        self._parent = {identity: identity for identity in known}
        self._members = {identity: {identity} for identity in known}
        self._foes: dict[int, set[int]] = {identity: set() for identity in known}
        for pair in apart:
            one, other = sorted(pair)
            self._foes[one].add(other)
            self._foes[other].add(one)
        self._claims = {
            one.id: {one.proved} if one.proved is not None else {one.home} & claimed for one in known.values()
        }

    def join(self, one: int, other: int, *, decided: bool) -> bool:
        """Make one of two; False if they must stay apart."""
        left, right = self._root(one), self._root(other)
        if left == right:
            return True
        small, large = sorted((left, right), key=lambda root: (len(self._members[root]), root))
        if self._foes[small] & self._members[large]:
            return False
        if not decided and len(self._claims[small] | self._claims[large]) > 1:
            return False
        self._parent[small] = large
        self._members[large] |= self._members.pop(small)
        self._foes[large] |= self._foes.pop(small)
        self._claims[large] |= self._claims.pop(small)
        return True

    def groups(self) -> tuple[Group, ...]:
        """The clusters, in the order of their first identity."""
        return tuple(sorted((Group(tuple(sorted(m))) for m in self._members.values()), key=lambda g: g.identities))

    def _root(self, identity: int) -> int:
        while self._parent[identity] != identity:
            self._parent[identity] = self._parent[self._parent[identity]]
            identity = self._parent[identity]
        return identity


@dataclass(frozen=True)
class Assignment:
    """The person of each group (None: one must be made), and which persons went into which."""

    persons: Mapping[Group, int | None]
    merged: Mapping[int, int]


def assign(
    groups: Sequence[Group],
    homes: Mapping[int, int],
    claimed: frozenset[int] = frozenset(),
    proved: Mapping[int, int] | None = None,
) -> Assignment:
    """Who each group is: a claimed person before another, then the one there longest; nobody is two groups.

    Whoever proved an identity (`proved`: identity -> person) is the group that holds it and no other: an account never
    passes on by what is decided about identities that were not proved. Undoing a merge gives every identity back to
    the person it had before, since `homes` does not change by merging.

    >>> merged, apart = [Group((1, 2))], [Group((1,)), Group((2,))]
    >>> assign(merged, {1: 10, 2: 20}).merged, list(assign(apart, {1: 10, 2: 20}).persons.values())
    ({20: 10}, [10, 20])
    """
    proved = proved or {}
    persons: dict[Group, int | None] = {}
    taken: set[int] = set()
    for group in sorted(groups, key=lambda group: proved.keys().isdisjoint(group.identities)):
        theirs = {proved[identity] for identity in group.identities if identity in proved} - taken
        at_home = {homes[identity] for identity in group.identities if identity in homes} - taken
        candidates = theirs or at_home - set(proved.values())
        best = min(candidates, key=lambda person: (person not in claimed, person), default=None)
        persons[group] = best
        if best is not None:
            taken.add(best)
    merged: dict[int, int] = {}
    for group, person in persons.items():
        for identity in group.identities:
            for one in (homes.get(identity), proved.get(identity)):
                if one is not None and one not in taken and person is not None:
                    merged.setdefault(one, person)
    return Assignment({group: persons[group] for group in groups}, merged)


def best_name(identities: Sequence[Named]) -> str:
    """What to call somebody: the first name written with a space, else any name, login or part of an address.

    >>> best_name([Named(1, "ada", "ada@acme.com"), Named(2, "Ada Lovelace")])
    'Ada Lovelace'
    """
    names = [" ".join(identity.name.split())[:200] for identity in identities if identity.name.strip()]
    logins = [identity.login for identity in identities if identity.login]
    locals_ = [identity.address.split("@", 1)[0] for identity in identities if identity.address]
    full = [name for name in names if " " in name and "@" not in name]
    return next(iter([*full, *names, *logins, *locals_]), "")[:200] or "without a name"


def public_login(login: str, email: str) -> str:
    """The login of an identity as the public sees it: none beside a masked address, which it may well unmask.

    >>> public_login("ada", ""), public_login("ada", "ada@acme.com")
    ('ada', '')
    """
    return "" if email else login


def masked(email: str) -> str:
    """An address as the public sees it.

    >>> masked("ada@acme.com"), masked("nobody")
    ('a…@acme.com', '…')
    """
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else "…"
