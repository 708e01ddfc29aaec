"""Who may be whom: pairs of identities that evidence likens, each with its reasons and how sure they make it. Pure.

Only identities that share a key (a name, a login, an account, a local part) are looked at together, and of a key that
many share only some pairs, so that the work grows with the number of identities and never with its square.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from app.people.rules.identities import identifies_one_person
from app.people.rules.spelling import spellings, words_of

# Of a key that at most so many share, all pairs are looked at; of more, each beside the first; of still more, none.
ALL_PAIRS = 6
EACH_WITH_THE_FIRST = 40
LEAST_CONFIDENCE = 40
# How sure each reason alone makes it, in percent. Reasons are taken as independent of each other: 1 - (1-p)(1-q)...
SURE = {
    "account": 97, "login": 90, "name": 45, "common-name": 15, "spelling": 35, "spelled": 40, "domain": 70,
    "employer": 60, "areas": 35, "handle": 55, "local": 50, "same-local": 35,
}  # fmt: skip
_COMMON_HANDLES = frozenset(
    {
        "admin", "administrator", "bot", "build", "ci", "contact", "dev", "devel", "developer", "git", "github",
        "gitlab", "hello", "info", "mail", "me", "noreply", "office", "root", "support", "team", "test", "user",
        "users", "web", "webmaster", "work",
    }
)  # fmt: skip
_NOREPLY = re.compile(r"(?:(\d+)[+-])?([a-z0-9][a-z0-9_.-]*(?:\[bot\])?)@users\.noreply\.(github|gitlab)\.com")
_SPLIT = re.compile(r"[._-]+")


@dataclass(frozen=True)
class Known:
    """An identity with what is known beside its words: the domain that somebody registered, and employers."""

    id: int
    name: str
    address: str = ""
    login: str = ""
    source: str = "git"
    domain: str = ""
    employers: frozenset[int] = field(default=frozenset())


@dataclass(frozen=True)
class Likeness:
    """Two identities that may be one person; `confidence` in percent, `reasons` as sentences, the strongest first."""

    one: int
    other: int
    confidence: int
    reasons: tuple[str, ...]


AreasOf = Callable[[Collection[int]], Mapping[int, frozenset[str]]]
"""Identities -> the parts of the project in which each of them works."""


def likenesses(known: Iterable[Known], areas_of: AreasOf = lambda _ids: {}) -> list[Likeness]:
    """Every pair that some evidence likens, in order of their ids; the order in which identities come is nothing.

    >>> ada = Known(1, "Ada Lovelace", "12+ada@users.noreply.github.com"), Known(2, "", "", "ada", "github")
    >>> [(one.confidence, one.reasons) for one in likenesses(ada)]
    [(90, ('the noreply address carries the login “ada”',))]
    """
    by_id = {one.id: one for one in sorted(known, key=lambda one: one.id)}
    facts = {number: _facts(one) for number, one in by_id.items()}
    blocks = _blocks(by_id, facts)
    pairs = sorted(_pairs(blocks))
    common = {key for key, members in blocks.items() if key[0] == "name" and len(members) > EACH_WITH_THE_FIRST // 4}
    named = {number for pair in pairs if _share_a_name(facts, pair) for number in pair}
    areas = areas_of(sorted(named)) if named else {}
    found = (_judge(by_id[one], by_id[other], facts[one], facts[other], areas, common) for one, other in pairs)
    return [one for one in found if one is not None]


@dataclass(frozen=True)
class _Facts:
    """What an identity's words say, taken apart once."""

    plain: str
    names: frozenset[tuple[str, ...]]
    account: tuple[str, str] | None
    carried: str
    handle: str
    local: str
    spelled: tuple[str, ...]


def _facts(one: Known) -> _Facts:
    match = _NOREPLY.fullmatch(one.address)
    local = "" if match or not identifies_one_person(one.address) else one.address.rpartition("@")[0].split("+")[0]
    parts = tuple(sorted(part for part in _SPLIT.split(local) if len(part) > 1 and part.isalpha()))
    names = spellings(one.name)
    return _Facts(
        plain=" ".join(one.name.casefold().split()),
        names=names,
        account=(match[3], match[1]) if match and match[1] else None,
        carried=match[2] if match else "",
        handle=_handle(one.login or (match[2] if match else "") or ("" if names or " " in one.name else one.name)),
        local=_handle(local),
        spelled=parts if len(parts) >= 2 else (),
    )


def _handle(text: str) -> str:
    text = text.strip().casefold()
    return text if len(text) >= 3 and text not in _COMMON_HANDLES and not text.isdigit() else ""


def _blocks(known: Mapping[int, Known], facts: Mapping[int, _Facts]) -> dict[tuple[str, Hashable], list[int]]:
    blocks: dict[tuple[str, Hashable], list[int]] = defaultdict(list)
    for number, one in known.items():
        fact = facts[number]
        keys: list[tuple[str, Hashable]] = [("name", name) for name in fact.names]
        keys += [("name at", (name, one.domain)) for name in fact.names if one.domain]
        keys += [("name for", (name, employer)) for name in fact.names for employer in one.employers]
        if fact.account:
            keys.append(("account", fact.account))
        if fact.spelled:
            keys.append(("name", fact.spelled))
        keys += [("handle", handle) for handle in {fact.handle, fact.local} if handle]
        for key in dict.fromkeys(keys):
            blocks[key].append(number)
    return blocks


def _pairs(blocks: Mapping[tuple[str, Hashable], Sequence[int]]) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for members in blocks.values():
        if len(members) <= ALL_PAIRS:
            pairs.update(combinations(members, 2))
        elif len(members) <= EACH_WITH_THE_FIRST:
            pairs.update((members[0], other) for other in members[1:])
    return pairs


def _share_a_name(facts: Mapping[int, _Facts], pair: tuple[int, int]) -> bool:
    return bool(facts[pair[0]].names & facts[pair[1]].names)


def _judge(
    one: Known, other: Known, mine: _Facts, theirs: _Facts, areas: Mapping[int, frozenset[str]],
    common: Collection[tuple[str, Hashable]],
) -> Likeness | None:  # fmt: skip
    found: dict[str, str] = {}
    if mine.account and mine.account == theirs.account:
        found["account"] = f"both are the {mine.account[0]} account number {mine.account[1]}"
    for fact, beside in ((mine, other), (theirs, one)):
        if fact.carried and beside.login.casefold() == fact.carried and beside.source in ("github", "gitlab"):
            found["login"] = f"the noreply address carries the login “{fact.carried}”"
    if "login" not in found and mine.handle and mine.handle == theirs.handle and one.source != other.source:
        found["handle"] = f"“{mine.handle}” at {one.source} and at {other.source}"
    for fact, beside_fact in ((mine, theirs), (theirs, mine)):
        if fact.handle and fact.handle == beside_fact.local:
            found["local"] = f"the login “{fact.handle}” is what stands before the @ of the other’s address"
    if mine.local and mine.local == theirs.local and len(mine.local) >= 5 and one.address != other.address:
        found["same-local"] = f"both addresses begin with “{mine.local}”"
    _judge_names(found, one, other, mine, theirs, areas, common)
    if not found:
        return None
    doubt = 1.0
    for reason in found:
        doubt *= 1 - SURE[reason] / 100
    if one.source == other.source and one.login and other.login and one.login.casefold() != other.login.casefold():
        # Two logins of one source are mostly two people.
        doubt = 1 - (1 - doubt) * 0.4
        found["against"] = f"but each has a login of its own at {one.source}"
    confidence = min(99, round(100 * (1 - doubt)))
    if confidence < LEAST_CONFIDENCE:
        return None
    order = sorted(found, key=lambda reason: (reason == "against", -SURE.get(reason, 0)))
    return Likeness(one.id, other.id, confidence, tuple(found[reason] for reason in order))


def _judge_names(
    found: dict[str, str], one: Known, other: Known, mine: _Facts, theirs: _Facts,
    areas: Mapping[int, frozenset[str]], common: Collection[tuple[str, Hashable]],
) -> None:  # fmt: skip
    shared = mine.names & theirs.names
    for fact, beside in ((mine, theirs), (theirs, mine)):
        if fact.spelled and fact.spelled in beside.names and not shared:
            found["spelled"] = "one’s address spells the other’s name"
    if not shared:
        return
    if any(("name", name) in common for name in shared):
        found["common-name"] = "the same full name, which many here have"
    elif mine.plain == theirs.plain:
        found["name"] = "the same full name"
    else:
        how = "in another order or with initials" if _is_latin(one.name, other.name) else "in another spelling"
        found["spelling"] = f"the same name {how}"
    if one.domain and one.domain == other.domain:
        found["domain"] = f"both write from {one.domain}"
    elif one.employers & other.employers:
        found["employer"] = "the same employer"
    both = areas.get(one.id, frozenset()) & areas.get(other.id, frozenset())
    if both:
        found["areas"] = f"both work on {', '.join(sorted(both)[:3])}"


def _is_latin(*names: str) -> bool:
    return all(name.isascii() for name in names) and len({words_of(name) for name in names}) == 1
