"""Finds: whole words before beginnings of words, both before words with a slip; the most active of each kind first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.search.models import Kind, SearchGram, SearchPosting, SearchTerm
from app.search.queries.showing import Hit, shown
from app.search.rules import MOST_ASKED, allowed_slips, grams, nearest, words_of

MOST_TEXT = 200
_MOST_BEGINNINGS, _MOST_OF_A_LETTER = 32, 10
_MOST_CANDIDATES = 60
_MOST_COUNTED = 4000
_MOST_LOOKED_AT = 10_000


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


def find(session: Session, text: str, *, kinds: Collection[Kind] = tuple(Kind), most: int = 8) -> Found:
    """The best hits of each kind for a text."""
    words = tuple(words_of(text[:MOST_TEXT])[:MOST_ASKED])
    if not words:
        return Found((), {}, {})
    exact = [_exactly(session, word) for word in words]
    begun = [_beginning(session, word) for word in words]
    # The newest changes come first anyhow: to look for whole words alone first would cost them a second look.
    readings = {kind: (begun,) if kind is Kind.CHANGE and len(words) > 1 else (exact, begun) for kind in kinds}
    refs = {kind: _ranked(session, kind, readings[kind], most) for kind in kinds}
    instead: dict[str, tuple[str, ...]] = {}
    if not any(refs.values()):
        meant = [one if one.terms and len(words) > 1 else _nearly(session, word, one, instead)
                 for word, one in zip(words, begun, strict=True)]  # fmt: skip
        if instead:
            refs = {kind: _ranked(session, kind, (meant,), most) for kind in kinds}
    return Found(words, {kind: shown(session, kind, numbers) for kind, numbers in refs.items() if numbers}, instead)


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
    """The entries that have every word: those of the rarest are looked at, the best first, until there are enough.

    Each term is a range of the key that is read from its end; written as text, since to put dozens of them together
    by SQLAlchemy's expressions takes several times as long as the database needs to answer.
    """
    rarest = min(asked, key=lambda one: _count(session, kind, one.terms)) if len(asked) > 1 else asked[0]
    others = [one for one in asked if one is not rarest]
    looked_at = _MOST_LOOKED_AT if others else most
    patterns: dict[str, str] = {}
    conditions = []
    for one in others:
        names = [f"pattern{len(patterns) + at}" for at in range(len(one.patterns))]
        patterns |= dict(zip(names, one.patterns, strict=True))
        conditions.append("(" + " OR ".join(f"e.text LIKE :{name}" for name in names) + ")")
    parts: list[str] = []
    for term in rarest.terms:
        range_ = (
            f"SELECT rank, ref FROM search_posting WHERE term_id = {int(term)} AND kind = {int(kind)}"  # noqa: S608 - numbers
            f" ORDER BY rank DESC, ref DESC LIMIT {looked_at}"
        )
        if others:
            range_ = (
                f"SELECT p.rank, p.ref FROM ({range_}) AS p JOIN search_entry e ON e.kind = {int(kind)}"  # noqa: S608 - numbers
                f" AND e.ref = p.ref WHERE {' AND '.join(conditions)} ORDER BY p.rank DESC, p.ref DESC LIMIT {most}"
            )
        parts.append(f"SELECT rank, ref FROM ({range_}) AS best{len(parts)}")  # noqa: S608 - numbers
    rows = session.execute(sa.text(" UNION ALL ".join(parts)), patterns).all()
    best = sorted({(row.rank, row.ref) for row in rows}, reverse=True)
    return [ref for _rank, ref in best[:most]]


def _count(session: Session, kind: Kind, terms: Sequence[int]) -> int:
    some = sa.select(SearchPosting.ref).where(SearchPosting.term_id.in_(terms), SearchPosting.kind == kind)
    return session.scalar(sa.select(sa.func.count()).select_from(some.limit(_MOST_COUNTED).subquery())) or 0
