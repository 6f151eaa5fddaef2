"""The little SQL vocabulary shared by all repositories, the same on SQLite and PostgreSQL."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# JSONB on PostgreSQL; a value is replaced as a whole, never changed in place.
Json = sa.JSON().with_variant(JSONB(), "postgresql")


def enum_column(kind: type[StrEnum], length: int = 24) -> "sa.Enum":
    """A string column checked against the enum's values, portable and free of native types."""
    return sa.Enum(
        kind,
        native_enum=False,
        length=length,
        create_constraint=True,
        values_callable=lambda members: [m.value for m in members],
    )


def table(model: type[SQLModel]) -> sa.Table:
    """The Core table of a model, for statements that need no objects."""
    found: sa.Table = model.__table__  # type: ignore[attr-defined]
    return found


def is_postgresql(db: AsyncSession) -> bool:
    """True where rows can be locked and statements run side by side."""
    return bool(db.get_bind().dialect.name == "postgresql")


def upsert(db: AsyncSession, target: sa.Table) -> Any:
    """`INSERT … ON CONFLICT` of the database at hand (both dialects share this part)."""
    return postgresql_insert(target) if is_postgresql(db) else sqlite_insert(target)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _as_stored(dialect: sa.Dialect, kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """How SQLite keeps a value of this type: it compares texts, and one moment has many."""
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    return (lambda v: _plain(process(v))) if process else _plain


def told(
    db: AsyncSession,
    columns: Mapping[str, sa.types.TypeEngine[Any]],
    rows: Sequence[Mapping[str, Any]],
) -> str:
    """Rows of the caller as the one parameter that `given_later` reads."""
    if is_postgresql(db):
        return json.dumps([{k: _plain(r[k]) for k in columns} for r in rows])
    stored = {k: _as_stored(db.get_bind().dialect, t) for k, t in columns.items()}
    return json.dumps([{k: stored[k](r[k]) for k in columns} for r in rows])


def given(
    db: AsyncSession,
    name: str,
    columns: Mapping[str, sa.types.TypeEngine[Any]],
    rows: Sequence[Mapping[str, Any]],
) -> sa.FromClause:
    """Rows of the caller as a table, in one parameter, so that one statement serves any number.

    `columns` names each column with its type; the statement's text, and so its cached plan,
    stays the same whatever the number of rows.
    """
    return _unfolded(
        name, columns, sa.literal(told(db, columns, rows), sa.Text), on_postgresql=is_postgresql(db)
    )


def given_later(
    name: str, columns: Mapping[str, sa.types.TypeEngine[Any]], *, on_postgresql: bool
) -> sa.FromClause:
    """Like `given`, for a statement that is built once: parameter `name` is what `told` made."""
    return _unfolded(name, columns, sa.bindparam(name, type_=sa.Text), on_postgresql=on_postgresql)


def _unfolded(
    name: str,
    columns: Mapping[str, sa.types.TypeEngine[Any]],
    text: sa.ColumnElement[str],
    *,
    on_postgresql: bool,
) -> sa.FromClause:
    if on_postgresql:
        rows = sa.cast(text, JSONB)
        each = (
            sa.func.jsonb_to_recordset(rows)
            .table_valued(*(sa.column(c, t) for c, t in columns.items()), name=f"{name}_each")
            .render_derived(name=f"{name}_each", with_types=True)
        )
        # The planner counts on a hundred rows of a function, and would rather read a whole table
        # than look up so many. The limit takes nothing away, and tells how many there are.
        return sa.select(each).limit(sa.func.jsonb_array_length(rows)).subquery(name)
    found = sa.func.json_each(text).table_valued("value", name=f"{name}_each")
    picked = (
        sa.type_coerce(sa.func.json_extract(found.c.value, f"$.{c}"), t).label(c)
        for c, t in columns.items()
    )
    return sa.select(*picked).subquery(name)


def ids_in(db: AsyncSession, column: Any, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    """`column IN (ids)` with one parameter whatever the number of ids."""
    rows = given(db, "given_ids", {"id": sa.Uuid()}, [{"id": i} for i in ids])
    return sa.ColumnElement.in_(column, sa.select(rows.c.id))


Values = Mapping[str, Any] | None


async def all_rows(
    db: AsyncSession, statement: sa.Executable, values: Values = None
) -> Sequence[sa.RowMapping]:
    """Every row of a statement, by column name."""
    return (await db.execute(statement, values)).mappings().all()


async def first_row(
    db: AsyncSession, statement: sa.Executable, values: Values = None
) -> sa.RowMapping | None:
    """The first row of a statement, or `None`."""
    return (await db.execute(statement, values)).mappings().first()


async def changed(db: AsyncSession, statement: sa.Executable, values: Values = None) -> int:
    """How many rows a write has touched."""
    return int((await db.execute(statement, values)).rowcount)  # type: ignore[attr-defined]
