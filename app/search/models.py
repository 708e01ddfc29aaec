"""Tables of the search: what is indexed, its words, where they stand, and what is to be indexed anew. All derived."""

from __future__ import annotations

from enum import IntEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Key, Row
from app.search.rules import LONGEST_WORD


class Kind(IntEnum):
    """What can be found; the numbers stand in rows and in triggers."""

    PERSON = 1
    ORGANIZATION = 2
    MODULE = 3
    REPOSITORY = 4
    RELEASE = 5
    CHANGE = 6
    ISSUE = 7


# In the order of code points on both databases, so that a beginning is a range.
_WORD = sa.String(LONGEST_WORD).with_variant(sa.String(LONGEST_WORD, collation="C"), "postgresql")


class SearchEntry(Base):
    """A thing as it is indexed: its words, and its rank among its kind (the higher, the earlier shown)."""

    __tablename__ = "search_entry"
    __table_args__ = ({"sqlite_with_rowid": False},)
    kind: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    ref: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    rank: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)


class SearchTerm(Row, Base):
    """A word that some entry has; one that none has any more is deleted with the last."""

    __tablename__ = "search_term"
    text: Mapped[str] = mapped_column(_WORD, unique=True)


class SearchGram(Base):
    """Three letters of a word, by which a word with a slip finds it."""

    __tablename__ = "search_gram"
    __table_args__ = ({"sqlite_with_rowid": False},)
    gram: Mapped[str] = mapped_column(sa.String(3), primary_key=True)
    term_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)


class SearchPosting(Base):
    """This entry has this word. The best entries of a word are the end of a range of the key, which holds all."""

    __tablename__ = "search_posting"
    __table_args__ = ({"sqlite_with_rowid": False},)
    term_id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)
    kind: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ref: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=False)


class SearchDue(Row, Base):
    """Something that must be indexed anew: written by triggers on the tables whose words are found (0094, 0104)."""

    __tablename__ = "search_due"
    kind: Mapped[int] = mapped_column(sa.SmallInteger)
    ref: Mapped[int] = mapped_column(sa.BigInteger)
