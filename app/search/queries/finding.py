"""Finds: whole words before beginnings of words, both before words with a slip; the most active of each kind first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.people.queries import veil_of
from app.search.models import Kind, SearchEntry, SearchGram, SearchPosting, SearchTerm
from app.search.queries.showing import Hit, shown
from app.search.rules import MOST_ASKED, allowed_slips, grams, nearest, words_of

MOST_TEXT = 200
_MOST_BEGINNINGS, _MOST_OF_A_LETTER = 32, 10
_MOST_CANDIDATES = 60
_MOST_COUNTED = 4000
_MOST_LOOKED_AT = 10_000
_MORE_OF_VEILED = 10
_TITLED = (Kind.CHANGE, Kind.ISSUE)
"""What is found by a title that somebody wrote, the newest first: it may name people who asked to be hidden."""
Veil = Callable[[str], str]


@dataclass(frozen=True)
class Found:
    """What a search found: hits by kind, and the words that were read instead of those that nobody has."""

    words: tuple[str, ...]
    hits: dict[Kind, list[Hit]]
    instead: dict[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not any(self.hits.values())


@dataclass(frozen=True)
class _Asked:
    """One word of the question: the terms that answer it, and how an entry's text shows one of them."""

    terms: tuple[int, ...]
    patterns: tuple[str, ...]


def find(
    session: Session, text: str, *, kinds: Collection[Kind] = tuple(Kind), most: int = 8, veil: Veil | None = None
) -> Found:
    """The best hits of each kind for a text.

    Titles of changes and issues may name people who asked to be hidden; such words answer to nobody. `veil`: what takes
    them out, where the caller has it already.
    """
    words = tuple(words_of(text[:MOST_TEXT])[:MOST_ASKED])
    if not words:
        return Found((), {}, {})
    exact, begun = _terms(session, words)
    # The newest of them come first anyhow: to look for whole words alone first would cost them a second look.
    readings = {kind: (begun,) if kind in _TITLED and len(words) > 1 else (exact, begun) for kind in kinds}
    refs = _ranked(session, readings, most)
    instead: dict[str, tuple[str, ...]] = {}
    if not any(refs.values()):
        meant = [one if one.terms and len(words) > 1 else _nearly(session, word, one, instead)
                 for word, one in zip(words, begun, strict=True)]  # fmt: skip
        if instead:
            readings = dict.fromkeys(kinds, (meant,))
            refs = _ranked(session, readings, most)
    hits = {kind: shown(session, kind, numbers) for kind, numbers in refs.items() if numbers}
    for kind in [one for one in _TITLED if one in hits]:
        veil = veil or veil_of(session)
        open_hits = _unveiled(hits[kind], words, instead, veil)
        if len(open_hits) < len(hits[kind]):
            more = _ranked(session, {kind: readings[kind]}, most * _MORE_OF_VEILED)[kind]
            open_hits = _unveiled(shown(session, kind, more), words, instead, veil)[:most]
        hits[kind] = open_hits
    return Found(words, hits, instead if any(hits.values()) else {})


def _unveiled(
    hits: Sequence[Hit], words: Sequence[str], instead: Mapping[str, Sequence[str]], veil: Veil
) -> list[Hit]:  # fmt: skip
    """The hits that are found by what is shown of them, too."""
    found = []
    for hit in hits:
        told = f"{hit.about} {hit.name}"
        shows = words_of(veiled) if (veiled := veil(told)) != told else None
        if shows is None or all(any(one.startswith((word, *instead.get(word, ()))) for one in shows) for word in words):
            found.append(hit)
    return found


def _terms(session: Session, words: Sequence[str]) -> tuple[list[_Asked], list[_Asked]]:
    """Each word as it stands, and with all that begin with it; a number only as it stands."""
    given: dict[str, int | str] = {}
    for at, word in enumerate(words):  # who looks for 12 does not mean 1200
        most = _MOST_BEGINNINGS if len(word) > 2 else _MOST_OF_A_LETTER
        last = word if word.isdigit() else word + "\U0010ffff"
        given |= {f"first{at}": word, f"last{at}": last, f"most{at}": most}
    found: list[dict[str, int]] = [{} for _ in words]
    for at, number, text in session.execute(_beginning_with(len(words)), given):
        found[at][text] = number
    whole = [_Asked((known[word],) if word in known else (), (f"% {word} %",))
             for word, known in zip(words, found, strict=True)]  # fmt: skip
    begun = [as_it_is if word.isdigit() else _Asked(tuple(known.values()), (f"% {word}%",))
             for word, known, as_it_is in zip(words, found, whole, strict=True)]  # fmt: skip
    return whole, begun


@lru_cache
def _beginning_with(words: int) -> sa.CompoundSelect[int, int, str]:
    """The terms within each of so many ranges, the shortest first: (which range, term, text). Made once."""
    parts = []
    for at in range(words):
        first, last, most = (sa.bindparam(f"{name}{at}", type_=type_) for name, type_ in
                             (("first", sa.String), ("last", sa.String), ("most", sa.Integer)))
        order = (sa.func.length(SearchTerm.text), SearchTerm.text)
        of_range = sa.literal_column(str(at), sa.Integer).label("at")
        terms = sa.select(of_range, SearchTerm.id, SearchTerm.text).where(SearchTerm.text.between(first, last))
        parts.append(sa.select(terms.order_by(*order).limit(most).subquery()))
    return sa.union_all(*parts)


def _nearly(session: Session, word: str, begun: _Asked, instead: dict[str, tuple[str, ...]]) -> _Asked:
    """Words within a slip or two, found by the parts that they share."""
    most = allowed_slips(word)
    if not most:
        return begun
    shared = sa.func.count().label("shared")
    rows = session.execute(
        sa.select(SearchTerm.id, SearchTerm.text)
        .join(SearchGram, SearchGram.term_id == SearchTerm.id)
        .where(SearchGram.gram.in_(sorted(grams(word))), sa.func.length(SearchTerm.text) >= len(word) - most,
               sa.func.length(SearchTerm.text) <= len(word) + most)
        .group_by(SearchTerm.id, SearchTerm.text).order_by(shared.desc(), SearchTerm.text).limit(_MOST_CANDIDATES)
    )  # fmt: skip
    known = {row.text: row.id for row in rows}
    found = nearest(word, known, most=most)
    if found:
        instead[word] = tuple(found)
    return _Asked((*begun.terms, *(known[one] for one in found)),
                  (*begun.patterns, *(f"% {one} %" for one in found)))  # fmt: skip


def _ranked(
    session: Session, readings: Mapping[Kind, Sequence[Sequence[_Asked]]], most: int
) -> dict[Kind, list[int]]:
    """The row numbers of the best of each kind: those that its first reading finds before those of the next."""
    found: dict[Kind, list[int]] = {kind: [] for kind in readings}
    for turn in range(max(map(len, readings.values()), default=0)):
        wanting = [kind for kind, each in readings.items() if turn < len(each) and len(found[kind]) < most]
        for asked, alike in itertools.groupby(((kind, readings[kind][turn]) for kind in wanting), key=lambda p: p[1]):
            for kind, rarest_first in _by_rarity(session, asked, [kind for kind, _ in alike]).items():
                numbers = _matching(session, kind, rarest_first, most)
                found[kind] = list(dict.fromkeys([*found[kind], *numbers]))
    return {kind: numbers[:most] for kind, numbers in found.items()}


def _by_rarity(session: Session, asked: Sequence[_Asked], kinds: Sequence[Kind]) -> dict[Kind, list[_Asked]]:
    """Each kind that has all these words, with the words, first what the fewest of its entries have."""
    if not all(one.terms for one in asked):
        return {}
    given: dict[str, Any] = {f"terms{at}": one.terms for at, one in enumerate(asked)}
    given |= {"most": _MOST_COUNTED if len(asked) > 1 else 1, "kinds": [int(kind) for kind in kinds]}
    found = {}
    for kind, *counts in session.execute(_counts(len(asked)), given):
        if all(counts):
            found[Kind(kind)] = [asked[at] for at in sorted(range(len(asked)), key=counts.__getitem__)]
    return found


@lru_cache
def _counts(words: int) -> sa.Select[Any]:
    """Of each kind how many entries have some of each word's terms, as far as they are counted: a row for each kind."""
    of = sa.union_all(*(sa.select(sa.literal_column(str(+kind), sa.Integer).label("kind")) for kind in Kind)).subquery()
    counts = []
    for at in range(words):
        terms = sa.bindparam(f"terms{at}", type_=sa.BigInteger, expanding=True)
        some = sa.select(SearchPosting.ref).where(SearchPosting.term_id.in_(terms), SearchPosting.kind == of.c.kind)
        few = some.limit(sa.bindparam("most", type_=sa.Integer)).correlate(of).subquery()
        counts.append(sa.select(sa.func.count()).select_from(few).correlate(of).scalar_subquery().label(f"count{at}"))
    return sa.select(of.c.kind, *counts).where(of.c.kind.in_(sa.bindparam("kinds", expanding=True)))


def _matching(session: Session, kind: Kind, asked: Sequence[_Asked], most: int) -> list[int]:
    """The entries that have every word: those of the first word are looked at, the best first, until there are enough.

    With the rarest word at the front the fewest are looked at in vain.
    """
    rarest, *others = asked
    patterns = [pattern for one in others for pattern in one.patterns]
    given: dict[str, int | str] = {"kind": int(kind), "most": most, "looked_at": _MOST_LOOKED_AT if others else most}
    given |= {f"term{at}": term for at, term in enumerate(rarest.terms)}
    given |= {f"pattern{at}": pattern for at, pattern in enumerate(patterns)}
    statement = _best_of(len(rarest.terms), tuple(len(one.patterns) for one in others))
    best = sorted({(row.rank, row.ref) for row in session.execute(statement, given)}, reverse=True)
    return [ref for _rank, ref in best[:most]]


@lru_cache(maxsize=256)
def _best_of(terms: int, others: tuple[int, ...]) -> sa.CompoundSelect[int, int]:
    """The best entries of each of so many terms that show, of each other word, one of so many patterns.

    Each term is a range of the key that is read from its end, and each entry's text is looked up by its key: left to
    join them, PostgreSQL reads all texts, because it believes that patterns leave nearly none. A statement is made once
    for each shape: to put dozens of ranges together takes several times as long as the database needs to answer.
    """
    kind, looked_at, most = (sa.bindparam(name, type_=sa.Integer) for name in ("kind", "looked_at", "most"))
    text = (sa.select(SearchEntry.text).where(SearchEntry.kind == kind, SearchEntry.ref == SearchPosting.ref)
            .scalar_subquery().label("text"))  # fmt: skip
    parts = []
    for at in range(terms):
        is_of = sa.and_(SearchPosting.term_id == sa.bindparam(f"term{at}"), SearchPosting.kind == kind)
        columns = (SearchPosting.rank, SearchPosting.ref, *((text,) if others else ()))
        best = _ordered(sa.select(*columns).where(is_of), looked_at)
        if others:
            names = (f"pattern{number}" for number in itertools.count())
            shows = [sa.or_(*(best.c.text.like(sa.bindparam(next(names))) for _ in range(count))) for count in others]
            best = _ordered(sa.select(best.c.rank, best.c.ref).where(*shows), most)
        parts.append(sa.select(best.c.rank, best.c.ref))
    return sa.union_all(*parts)


def _ordered(query: sa.Select[Any], most: sa.BindParameter[int]) -> sa.Subquery:
    rank, ref, *_ = query.selected_columns
    return query.order_by(rank.desc(), ref.desc()).limit(most).subquery()
