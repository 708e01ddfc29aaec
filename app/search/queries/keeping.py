"""Keeps the index as the rows are: what is due is indexed anew, and only what differs is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.bulk import insert_rows, reserve
from app.db import Database, Turn, take_turn
from app.people.queries import on_naming
from app.people.queries.identities import chunks
from app.search.models import Kind, SearchDue, SearchEntry, SearchGram, SearchPosting, SearchTerm
from app.search.queries.subjects import BY_WORK, FINDABLE, NUMBERS, SUBJECTS, Indexed
from app.search.rules import closed, grams

BATCH = 4000
_AT_ONCE = 500
# What a newer program's triggers write of kinds that this one does not know is left to that program.
_IS_KNOWN = SearchDue.kind.in_([int(kind) for kind in Kind])


def refresh(session: Session, kind: Kind, numbers: Collection[int]) -> int:
    """Index these things anew, in the caller's transaction; gives how many entries were written or removed."""
    take_turn(session, Turn.SEARCH)
    session.flush()
    return sum(_refresh(session, kind, chunk) for chunk in chunks(sorted(set(numbers)), _AT_ONCE))


@on_naming
def people_named(session: Session, persons: Collection[int]) -> None:
    """Somebody was renamed or hidden: the index knows it in the same transaction."""
    refresh(session, Kind.PERSON, persons)


def is_behind(session: Session) -> bool:
    """Whether anything waits to be indexed."""
    return session.scalar(sa.select(SearchDue.id).where(_IS_KNOWN).limit(1)) is not None


def work_off(db: Database, *, say: Callable[[int], None] | None = None, most: int = 1_000_000) -> int:
    """Index what is due, a batch a transaction; gives how many dues there were."""
    done = 0
    with db.read() as session:
        if not is_behind(session):
            return 0  # most of the time: nobody has to wait for a writer that writes nothing
    while done < most:
        with db.write() as session:
            take_turn(session, Turn.SEARCH)
            waits = sa.select(SearchDue.id, SearchDue.kind, SearchDue.ref).where(_IS_KNOWN)
            due = session.execute(waits.order_by(SearchDue.id).limit(BATCH)).all()
            for kind in Kind:
                refresh(session, kind, {row.ref for row in due if row.kind == kind})
            for chunk in chunks([row.id for row in due], _AT_ONCE):
                session.execute(sa.delete(SearchDue).where(SearchDue.id.in_(chunk)))
        done += len(due)
        if say is not None:
            say(done)
        if len(due) < BATCH:
            break
    return done


def ask_for_missing(db: Database) -> int:
    """Put on the list what should have an entry and has none; how many.

    A worker of before a kind was found takes its things off unread.
    """
    missing: list[tuple[int, int]] = []
    with db.read() as session:
        for kind, number in NUMBERS.items():
            has_entry = sa.exists().where(SearchEntry.kind == kind, SearchEntry.ref == number)
            is_meant = FINDABLE.get(kind, sa.true())
            missing += [(int(kind), one) for one in session.scalars(sa.select(number).where(is_meant, ~has_entry))]
    if missing:
        with db.write() as session:
            insert_rows(session, SearchDue.__table__, ("kind", "ref"), missing)
    return len(missing)


def refresh_ranks(db: Database) -> int:
    """Look at the rank of everything that is ranked by work; gives how many entries moved."""
    moved = 0
    for kind in BY_WORK:
        for numbers in _all_of(db, kind):
            with db.write() as session:
                moved += refresh(session, kind, numbers)
    return moved


def rebuild(db: Database) -> int:
    """Make the whole index anew; gives how many entries it has. Pages find less while it runs."""
    with db.write() as session:
        take_turn(session, Turn.SEARCH)
        for table in (SearchPosting, SearchGram, SearchTerm, SearchEntry, SearchDue):
            session.execute(sa.delete(table))
    made = 0
    for kind in Kind:
        for numbers in _all_of(db, kind):
            with db.write() as session:
                made += refresh(session, kind, numbers)
    return made


def _all_of(db: Database, kind: Kind) -> Iterator[Sequence[int]]:
    """The row numbers of a kind, batch by batch; entries of things that are gone among them."""
    with db.read() as session:
        rows = set(session.scalars(sa.select(NUMBERS[kind])))
        rows |= set(session.scalars(sa.select(SearchEntry.ref).where(SearchEntry.kind == kind)))
    yield from chunks(sorted(rows), BATCH)


def _refresh(session: Session, kind: Kind, numbers: Sequence[int]) -> int:
    wanted = SUBJECTS[kind](session, numbers)
    rows = session.execute(
        sa.select(SearchEntry.ref, SearchEntry.rank, SearchEntry.text).where(
            SearchEntry.kind == kind, SearchEntry.ref.in_(numbers)
        )
    )
    known = {row.ref: Indexed(row.rank, tuple(row.text.split())) for row in rows}
    changed = [number for number in numbers if wanted.get(number) != known.get(number)]
    if not changed:
        return 0
    before = _postings(known, changed)
    after = _postings(wanted, changed)
    gone, fresh = before - after, after - before
    ids = _terms(session, {word for word, _, _ in gone | fresh})
    _delete(session, kind, ((ids[word], rank, number) for word, rank, number in gone))
    old = [number for number in changed if number in known]
    session.execute(sa.delete(SearchEntry).where(SearchEntry.kind == kind, SearchEntry.ref.in_(old)))
    insert_rows(session, SearchEntry.__table__, ("kind", "ref", "rank", "text"),
                [(int(kind), number, one.rank, closed(one.words))
                 for number in changed if (one := wanted.get(number))])  # fmt: skip
    insert_rows(session, SearchPosting.__table__, ("term_id", "kind", "rank", "ref"),
                sorted((ids[word], int(kind), rank, number) for word, rank, number in fresh))  # fmt: skip
    _forget_unused(session, {ids[word] for word, _, _ in gone})
    return len(changed)


def _postings(entries: dict[int, Indexed], numbers: Iterable[int]) -> set[tuple[str, int, int]]:
    return {(word, one.rank, number) for number in numbers if (one := entries.get(number)) for word in one.words}


def _terms(session: Session, words: Collection[str]) -> dict[str, int]:
    """The row numbers of words, made for those that are new."""
    found: dict[str, int] = {}
    for chunk in chunks(sorted(words), _AT_ONCE):
        rows = session.execute(sa.select(SearchTerm.text, SearchTerm.id).where(SearchTerm.text.in_(chunk)))
        found.update({row.text: row.id for row in rows})
    new = sorted(set(words) - set(found))
    made = dict(zip(new, reserve(session, SearchTerm.__table__, len(new)), strict=True))
    insert_rows(session, SearchTerm.__table__, ("id", "text"), [(number, word) for word, number in made.items()])
    insert_rows(session, SearchGram.__table__, ("gram", "term_id"),
                sorted((gram, number) for word, number in made.items() for gram in grams(word)))  # fmt: skip
    return found | made


def _delete(session: Session, kind: Kind, postings: Iterable[tuple[int, int, int]]) -> None:
    rows = [{"t": term, "r": rank, "n": number} for term, rank, number in postings]
    if rows:
        table = SearchPosting.__table__
        session.connection().execute(
            sa.delete(table).where(
                table.c.term_id == sa.bindparam("t"), table.c.kind == int(kind), table.c.rank == sa.bindparam("r"),
                table.c.ref == sa.bindparam("n"),
            ),
            rows,
        )  # fmt: skip


def _forget_unused(session: Session, terms: Collection[int]) -> None:
    """Delete words that no entry has any more: the name of somebody who asked to be hidden, say."""
    for chunk in chunks(sorted(terms), _AT_ONCE):
        used = sa.exists().where(SearchPosting.term_id == SearchTerm.id)
        unused = list(session.scalars(sa.select(SearchTerm.id).where(SearchTerm.id.in_(chunk), ~used)))
        words = list(session.scalars(sa.select(SearchTerm.text).where(SearchTerm.id.in_(unused))))
        parts = {gram for word in words for gram in grams(word)}
        session.execute(sa.delete(SearchGram).where(SearchGram.gram.in_(parts), SearchGram.term_id.in_(unused)))
        session.execute(sa.delete(SearchTerm).where(SearchTerm.id.in_(unused)))
