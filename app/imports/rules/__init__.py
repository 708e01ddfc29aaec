"""What the lines of affiliation files say, format by format: plain values, and every problem with its line. Pure."""

from app.imports.rules.claims import (
    UNKEPT,
    FileKind,
    Keeps,
    Line,
    Member,
    OwnsDomain,
    Parsed,
    SamePerson,
    Who,
    WorksFor,
    can_be_kept,
    company_key,
    is_independent,
    is_unknown,
)

__all__ = [
    "UNKEPT",
    "FileKind",
    "Keeps",
    "Line",
    "Member",
    "OwnsDomain",
    "Parsed",
    "SamePerson",
    "Who",
    "WorksFor",
    "can_be_kept",
    "company_key",
    "is_independent",
    "is_unknown",
]
