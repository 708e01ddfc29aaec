"""A part of a list by keyset: where it goes on is a row, not a number, so that rows inserted meanwhile move nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import current_app, request, url_for
from sqlalchemy.orm import Session

from app.api.fields import Items, Paged
from app.api.problems import WrongParameters
from app.api.rules import CursorError, place, seal, unseal

_T = TypeVar("_T")


def listed(
    session: Session,
    query: sa.Select[*tuple[Any, ...]],
    keys: Sequence[Any],
    ask: Paged,
    make: Callable[[Sequence[Any]], list[_T]],
    *,
    newest_first: bool = False,
) -> Items[_T]:
    """The part of a list that is asked for, and the address of the next one; `make` turns its rows into items.

    `keys`: columns that no two rows have alike together and that never change; the list is in their order. They are
    the last columns of each row, so a row is `(thing, ..., *keys)`.
    """
    asked = place(request.path, ask.model_dump(exclude={"cursor", "limit"}, mode="json"))
    kinds = [_kind_of(key.type) for key in keys]
    if ask.cursor is not None:
        try:
            after = unseal(_key(), asked, ask.cursor, kinds)
        except CursorError as error:
            raise WrongParameters([("cursor", str(error))]) from None
        query = query.where(_beyond(keys, after, newest_first=newest_first))
    order = [key.desc() if newest_first else key.asc() for key in keys]
    rows = session.execute(query.add_columns(*keys).order_by(*order).limit(ask.limit + 1)).all()
    shown = rows[: ask.limit]
    is_last = len(rows) <= ask.limit
    following = None if is_last else _address(seal(_key(), asked, shown[-1][-len(keys) :]))
    return Items(items=make(shown), next=following)


def _kind_of(column: sa.types.TypeEngine[Any]) -> type:
    return column.impl_instance.python_type if isinstance(column, sa.types.TypeDecorator) else column.python_type


def _beyond(keys: Sequence[Any], after: Sequence[Any], *, newest_first: bool) -> sa.ColumnElement[bool]:
    values = [sa.literal(value, type_=key.type) for key, value in zip(keys, after, strict=True)]
    left, right = (keys[0], values[0]) if len(keys) == 1 else (sa.tuple_(*keys), sa.tuple_(*values))
    found: sa.ColumnElement[bool] = left < right if newest_first else left > right
    return found


def _address(cursor: str) -> str:
    values: dict[str, Any] = {**(request.view_args or {}), **request.args, "cursor": cursor}
    return url_for(str(request.endpoint), _external=True, **values)


def _key() -> bytes:
    return str(current_app.config["SECRET_KEY"]).encode()
