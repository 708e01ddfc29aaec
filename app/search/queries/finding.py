"""Finds: whole words before beginnings of words, both before words with a slip; the most active of each kind first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
    exact = [_exactly(session, word) for word in words]
    begun = [_beginning(session, word) for word in words]
    # The newest of them come first anyhow: to look for whole words alone first would cost them a second look.
    readings = {kind: (begun,) if kind in _TITLED and len(words) > 1 else (exact, begun) for kind in kinds}
    refs = {kind: _ranked(session, kind, readings[kind], most) for kind in kinds}
    instead: dict[str, tuple[str, ...]] = {}
    if not any(refs.values()):
        meant = [one if one.terms and len(words) > 1 else _nearly(session, word, one, instead)
                 for word, one in zip(words, begun, strict=True)]  # fmt: skip
        if instead:
            refs = {kind: _ranked(session, kind, (meant,), most) for kind in kinds}
            readings = dict.fromkeys(kinds, (meant,))
    hits = {kind: shown(session, kind, numbers) for kind, numbers in refs.items() if numbers}
    for kind in [one for one in _TITLED if one in hits]:
        veil = veil or veil_of(session)
        open_hits = _unveiled(hits[kind], words, instead, veil)
        if len(open_hits) < len(hits[kind]):
            more = _ranked(session, kind, readings[kind], most * _MORE_OF_VEILED)
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


def _exactly(session: Session, word: str) -> _Asked:
    found = session.scalars(sa.select(SearchTerm.id).where(SearchTerm.text == word)).all()
    return _Asked(tuple(found), (f"% {word} %",))


def _beginning(session: Session, word: str) -> _Asked:
    if word.isdigit():  # who looks for 12 does not mean 1200
        return _exactly(session, word)
    most = _MOST_BEGINNINGS if len(word) > 2 else _MOST_OF_A_LETTER
    begins = sa.and_(SearchTerm.text >= word, SearchTerm.text < word + "\U0010ffff")
    order = (sa.func.length(SearchTerm.text), SearchTerm.text)
    found = session.scalars(sa.select(SearchTerm.id).where(begins).order_by(*order).limit(most)).all()
    return _Asked(tuple(found), (f"% {word}%",))


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


def _ranked(session: Session, kind: Kind, readings: Sequence[Sequence[_Asked]], most: int) -> list[int]:
    """The row numbers of the best: those that the first reading of the question finds before those of the next."""
    found: list[int] = []
    for asked in readings:
        if len(found) < most and all(one.terms for one in asked):
            for number in _matching(session, kind, asked, most):
                if number not in found:
                    found.append(number)
    return found[:most]


def _matching(session: Session, kind: Kind, asked: Sequence[_Asked], most: int) -> list[int]:
    """The entries that have every word: those of the rarest are looked at, the best first, until there are enough."""
    rarest = min(asked, key=lambda one: _count(session, kind, one.terms)) if len(asked) > 1 else asked[0]
    others = [one for one in asked if one is not rarest]
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

    Each term is a range of the key that is read from its end. A statement is made once for each shape: to put dozens
    of ranges together takes several times as long as the database needs to answer.
    """
    kind, looked_at, most = (sa.bindparam(name, type_=sa.Integer) for name in ("kind", "looked_at", "most"))
    names = (f"pattern{at}" for at in itertools.count())
    shows = [sa.or_(*(SearchEntry.text.like(sa.bindparam(next(names))) for _ in range(count))) for count in others]
    parts = []
    for at in range(terms):
        is_of = sa.and_(SearchPosting.term_id == sa.bindparam(f"term{at}"), SearchPosting.kind == kind)
        best = _ordered(sa.select(SearchPosting.rank, SearchPosting.ref).where(is_of), looked_at)
        if shows:
            entry = sa.and_(SearchEntry.kind == kind, SearchEntry.ref == best.c.ref)
            best = _ordered(sa.select(best.c.rank, best.c.ref).join(SearchEntry, entry).where(*shows), most)
        parts.append(sa.select(best.c.rank, best.c.ref))
    return sa.union_all(*parts)


def _ordered(query: sa.Select[int, int], most: sa.BindParameter[int]) -> sa.Subquery:
    rank, ref = query.selected_columns
    return query.order_by(rank.desc(), ref.desc()).limit(most).subquery()


def _count(session: Session, kind: Kind, terms: Sequence[int]) -> int:
    some = sa.select(SearchPosting.ref).where(SearchPosting.term_id.in_(terms), SearchPosting.kind == kind)
    return session.scalar(sa.select(sa.func.count()).select_from(some.limit(_MOST_COUNTED).subquery())) or 0
