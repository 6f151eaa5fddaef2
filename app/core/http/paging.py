"""Cursor paging: `{items, next_cursor}` over a unique sort key, in cursors nobody can forge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import sqlalchemy as sa
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from app.core.errors import InvalidCursor
from app.core.security import Tokens

LIMIT_DEFAULT = 20
LIMIT_MAX = 100

S = TypeVar("S")
R = TypeVar("R")


class Page(BaseModel, Generic[S]):
    """Part of a list; `next_cursor` is null on the last part."""

    items: list[S]
    next_cursor: str | None = Field(description="Pass it as `cursor` to read on; null at the end.")


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """Rows of one page and the sort key to go on after."""

    rows: Sequence[R]
    next_after: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Paging:
    """What the client asked for; `list_name` ties a cursor to its list and filters."""

    limit: int
    cursor: str | None
    tokens: Tokens
    list_name: str

    def after(self, *parsers: Callable[[Any], Any]) -> tuple[Any, ...] | None:
        """The sort key to start after, each part through its parser; `None` from the beginning."""
        if self.cursor is None:
            return None
        try:
            values = self.tokens.unseal(f"cursor:{self.list_name}", self.cursor)
            return tuple(parse(v) for parse, v in zip(parsers, values, strict=True))
        except (ValueError, TypeError, UnicodeError) as error:
            raise InvalidCursor from error

    def cut(self, rows: Sequence[R], key: Callable[[R], tuple[Any, ...]]) -> Slice[R]:
        """One page out of up to `limit + 1` rows."""
        if len(rows) <= self.limit:
            return Slice(rows, None)
        shown = rows[: self.limit]
        return Slice(shown, key(shown[-1]))

    def page(self, slice_: Slice[R], shape: Callable[[R], S]) -> Page[S]:
        """The slice as the client sees it."""
        next_cursor = None
        if slice_.next_after is not None:
            next_cursor = self.tokens.seal(f"cursor:{self.list_name}", list(slice_.next_after))
        return Page[Any](items=[shape(row) for row in slice_.rows], next_cursor=next_cursor)


def beyond(columns: Sequence[Any], values: Sequence[Any], *, descending: bool) -> Any:
    """Rows after a sort key: a row-value comparison, which an index on the key serves."""
    row, edge = (
        sa.tuple_(*columns),
        sa.tuple_(*(sa.literal(v, c.type) for v, c in zip(values, columns, strict=True))),
    )
    return row < edge if descending else row > edge


async def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=1_000, pattern=r"^[A-Za-z0-9_-]+$")] = None,
) -> Paging:
    filters = sorted(
        (k, v) for k, v in request.query_params.multi_items() if k not in {"limit", "cursor"}
    )
    return Paging(limit, cursor, request.app.state.tokens, f"{request.url.path}?{filters}")


Paged = Annotated[Paging, Depends(_paging)]
