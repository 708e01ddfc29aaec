"""What parameters may be and answers are made of: every operation's types stand on these."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from app.api.rules import MOST_LETTERS
from app.people.models import Person

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,9})")
MOST_ITEMS = 200
_T = TypeVar("_T")


def _day(text: Any) -> Any:
    if isinstance(text, str):
        if not _DAY.fullmatch(text):
            raise ValueError("is no day; write it like 2026-01-31")
        return date.fromisoformat(text)
    return text


def whole(text: Any) -> Any:
    """A whole number as a parameter writes it, for a `BeforeValidator`."""
    if isinstance(text, str):
        if not _WHOLE.fullmatch(text):
            raise ValueError("is no whole number; write it like 50")
        return int(text)
    return text


def one_of(words: Iterable[str]) -> Any:
    """One of these words, for lists that stand elsewhere and are not written here again."""
    schema = core_schema.literal_schema(list(words))
    return GetPydanticSchema(lambda _type, _handler: schema)


Day = Annotated[date, BeforeValidator(_day)]
Number = Annotated[int, Field(ge=1, le=9_999_999_999), BeforeValidator(whole)]
Votes = Annotated[int, Field(ge=0, le=999_999), BeforeValidator(whole)]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS), BeforeValidator(whole)]
Word = Annotated[str, Field(pattern=r"^[^\u0000-\u001f\u007f]*$", min_length=1, max_length=200)]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=100)]
Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$|^[0-9a-f]{64}$")]


def public_id(prefix: str) -> Any:
    """What a public id of this kind looks like, as a field."""
    return Field(pattern=rf"^{prefix}_[0-9a-z]{{4,32}}$")


PersonId = Annotated[str, public_id("p")]
OrganizationId = Annotated[str, public_id("o")]
OrganizationIds = Annotated[str, Field(pattern=r"^o_[0-9a-z]{4,32}(,o_[0-9a-z]{4,32}){0,5}$")]
OptionText = Annotated[str, Field(max_length=1000)]
RepositoryId = Annotated[str, public_id("r")]
ChangeId = Annotated[str, public_id("c")]
IssueId = Annotated[str, public_id("is")]
BuildId = Annotated[str, public_id("b")]
JobId = Annotated[str, public_id("j")]
ReleaseId = Annotated[str, public_id("rel")]


class Asked(BaseModel):
    """The parameters of an operation; one that it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paged(Asked):
    """The parameters of every list."""

    limit: Annotated[Limit, Field(description="How many items an answer holds at most.")] = 50
    cursor: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=MOST_LETTERS,
              description="Where to go on: take the whole address from `next`. It holds for this list with these"
                          " filters alone."),
    ] = None  # fmt: skip


class Answer(BaseModel):
    """What an operation answers with."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Items(Answer, Generic[_T]):
    """A part of a list."""

    items: list[_T]
    next: Annotated[str | None, Field(description="The address of the part after this one; null at the end.")] = None


class PersonName(Answer):
    """A person, by the name that pages show."""

    id: str
    name: str

    @classmethod
    def of(cls, person: Person | None) -> PersonName | None:
        """The person; None for nobody and for whoever asked to be hidden."""
        if person is None or person.hidden_at is not None:
            return None
        return cls(id=person.public_id, name=person.name)


class OrganizationRef(Answer):
    """An organization by name."""

    id: str
    name: str


class RepositoryRef(Answer):
    """A repository by name."""

    id: str
    name: str
