"""Facts in the past tense: recorded with the change, heard in it and after it.

`record` runs the reactions of a fact inside the caller's transaction and holds the fact back until
the commit writes it to the outbox; the worker then hands it to the handlers, at least once.

Each row of the outbox names who acted. So it is also the log of who changed the state of what, be
it a member, an operator or a worker; the audit log beside it has what operators edited, from what
to what.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Generic,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from app.core.context import Actor, actor_var, request_id_var
from app.core.ids import new_id
from app.core.sql import Json, all_rows, table

E = TypeVar("E", bound="Event")
L = TypeVar("L", bound=Callable[..., Awaitable[None]])
REACTIONS_DEPTH_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact: frozen, in the past tense, carrying what its listeners need.

    `aggregate_id` is the row it happened to: its events are numbered 1, 2, 3 … without a gap,
    which holds because a fact is recorded while that row is written. `shop_id` is the tenant.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    aggregate: ClassVar[str]

    at: datetime
    shop_id: UUID | None
    aggregate_id: UUID


Listener = Callable[[AsyncSession, E], Awaitable[None]]
# Hears rows of the outbox, a claimed batch at a time; perhaps the same ones again.
Follower = Callable[[AsyncSession, Sequence[sa.RowMapping]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class On(Generic[E]):
    """One row of a wiring table: a kind of fact and those who listen to it, in order."""

    event: type[E]
    listeners: tuple[Listener[E], ...]


def on(event: type[E], *listeners: Listener[E]) -> On[E]:
    """Say who listens to a kind of fact; typed, so a listener of another fact is refused."""
    return On(event, listeners)


@dataclass(frozen=True)
class Wiring:
    """The tables, indexed; handed to every session by the session factory."""

    reactions: Mapping[str, tuple[Listener[Any], ...]]
    handlers: Mapping[str, tuple[tuple[str, Listener[Any]], ...]]
    kinds: Mapping[str, type[Event]]
    followers: tuple[tuple[str, Follower], ...] = ()

    @staticmethod
    def of(
        reactions: Iterable[On[Any]],
        handlers: Iterable[On[Any]],
        kinds: Iterable[type[Event]],
        followers: Iterable[Follower] = (),
    ) -> "Wiring":
        """Index the tables; every kind of fact must be known once, and stand once in a table."""
        known: dict[str, type[Event]] = {}
        for kind in kinds:
            if known.setdefault(kind.kind, kind) is not kind:
                raise ValueError(f"two events are called {kind.kind}")
        heard_later = _by_kind(handlers, known)
        return Wiring(
            reactions=_by_kind(reactions, known),
            handlers={kind: _named(listeners) for kind, listeners in heard_later.items()},
            kinds=known,
            followers=_named(followers),
        )


def _by_kind(
    rows: Iterable[On[Any]], known: Mapping[str, type[Event]]
) -> dict[str, tuple[Listener[Any], ...]]:
    found: dict[str, tuple[Listener[Any], ...]] = {}
    for row in rows:
        kind = row.event.kind
        if known.get(kind) is not row.event:
            raise ValueError(f"{kind} is not among the events")
        if kind in found:
            raise ValueError(f"{kind} stands twice in a table; its first row would be lost")
        found[kind] = row.listeners
    return found


def _named(listeners: Iterable[L]) -> tuple[tuple[str, L], ...]:
    named = tuple((listener_name(f), f) for f in listeners)
    if len(dict(named)) != len(named):
        raise ValueError(f"two handlers are called alike: {[name for name, _ in named]}")
    return named


def listener_name(listener: Callable[..., Any]) -> str:
    """A name that stays the same over restarts: package and function."""
    return f"{listener.__module__.removeprefix('app.')}.{listener.__qualname__}"


class OutboxEvent(SQLModel, table=True):
    """A committed fact, by whom and in which request, and how far its delivery has come."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        sa.UniqueConstraint("aggregate_id", "sequence"),
        sa.Index(
            "ix_outbox_events_due",
            "deliver_after",
            postgresql_where=sa.text("done_at IS NULL"),
            sqlite_where=sa.text("done_at IS NULL"),
        ),
        sa.Index("ix_outbox_events_shop_id_id", "shop_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(max_length=64)
    version: int
    shop_id: UUID | None
    aggregate: str = Field(max_length=32)
    aggregate_id: UUID
    sequence: int = Field(sa_type=sa.BigInteger)
    at: datetime
    payload: dict[str, Any] = Field(sa_type=Json)
    actor_kind: str = Field(max_length=16)
    actor_id: UUID | None
    request_id: str = Field(max_length=64)
    deliver_after: datetime
    lease_until: datetime | None = None
    attempts: int = 0
    done_at: datetime | None = None
    last_error: str | None = Field(default=None, max_length=500)


class OutboxHandled(SQLModel, table=True):
    """That one handler has done its part for one fact; written in the handler's transaction."""

    __tablename__ = "outbox_handled"

    event_id: UUID = Field(primary_key=True, foreign_key="outbox_events.id")
    handler: str = Field(primary_key=True, max_length=120)
    at: datetime


async def record(db: AsyncSession, event: Event) -> None:
    """State a fact: its reactions run now, in this transaction, first stated first heard."""
    pending: list[Event] = db.info["pending_events"]
    pending.append(event)
    if db.info.get("reacting"):
        return  # heard after the reactions of the fact before it, which keeps one lock order
    db.info["reacting"] = True
    try:
        await _react(db, pending)
    finally:
        db.info["reacting"] = False


async def _react(db: AsyncSession, pending: list[Event]) -> None:
    wiring: Wiring = db.info["wiring"]
    heard = len(pending) - 1
    while heard < len(pending):
        if heard > REACTIONS_DEPTH_MAX:
            raise RuntimeError("reactions do not come to an end")
        fact = pending[heard]
        for listener in wiring.reactions.get(fact.kind, ()):
            await listener(db, fact)
        heard += 1


@asynccontextmanager
async def savepoint(db: AsyncSession) -> AsyncIterator[None]:
    """Work that an error takes back alone, the facts stated in it too; not inside a reaction."""
    pending: list[Event] = db.info["pending_events"]
    before = len(pending)
    try:
        async with db.begin_nested():
            yield
    except BaseException:
        del pending[before:]
        raise


_outbox = table(OutboxEvent)
_latest = (
    sa.select(sa.func.coalesce(sa.func.max(_outbox.c.sequence), 0) + 1)
    .where(_outbox.c.aggregate_id == sa.bindparam("of_aggregate", type_=sa.Uuid()))
    .scalar_subquery()
)
_append = sa.insert(_outbox).values(sequence=_latest)


async def flush_events(db: AsyncSession) -> None:
    """Append the facts of this transaction to the outbox, each numbered within its aggregate."""
    pending: list[Event] = db.info["pending_events"]
    if not pending:
        return
    actor, request_id = actor_var.get(), request_id_var.get()
    connection = await db.connection()
    await connection.execute(_append, [_row(event, actor, request_id) for event in pending])
    pending.clear()


async def facts_about(
    db: AsyncSession, aggregate_ids: Sequence[UUID], *, rows_max: int
) -> Sequence[sa.RowMapping]:
    """The first facts about these things, in the order they were stated."""
    mine = _outbox.c.aggregate_id.in_(aggregate_ids)
    return await all_rows(db, sa.select(_outbox).where(mine).order_by(_outbox.c.id).limit(rows_max))


async def was_stated(db: AsyncSession, event: type[Event], aggregate_id: UUID) -> bool:
    """Whether a fact of this kind about this thing was committed before."""
    mine = (_outbox.c.aggregate_id == aggregate_id, _outbox.c.kind == event.kind)
    found = await db.execute(sa.select(sa.exists().where(*mine)))
    return bool(found.scalar_one())


def _row(event: Event, actor: Actor, request_id: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "kind": event.kind,
        "version": event.version,
        "shop_id": event.shop_id,
        "aggregate": event.aggregate,
        "aggregate_id": event.aggregate_id,
        "of_aggregate": event.aggregate_id,
        "at": event.at,
        "payload": payload_of(event),
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "request_id": request_id,
        "deliver_after": event.at,
        "attempts": 0,
    }


_ENVELOPE = frozenset({"at", "shop_id", "aggregate_id"})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | StrEnum) else value


def payload_of(event: Event) -> dict[str, Any]:
    """The fact's own fields as JSON."""
    return {
        f.name: _plain(getattr(event, f.name)) for f in fields(event) if f.name not in _ENVELOPE
    }


_PARSERS: Mapping[Any, Callable[[Any], Any]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
}
_hints: Callable[[Any], Mapping[str, Any]] = cache(get_type_hints)


def _revive(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:  # X | None
        return _revive(next(a for a in arguments if a is not type(None)), value)
    if origin is not None:
        return _revive_many(origin, arguments, value)
    if is_dataclass(kind):
        hints = _hints(kind)
        return cast("Any", kind)(
            **{k: _revive(hints[k], v) for k, v in value.items() if k in hints}
        )
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    parse = _PARSERS.get(kind)
    return parse(value) if parse else value


def _revive_many(origin: Any, arguments: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, dict):
        of_key, of_value = arguments
        return {_revive(of_key, k): _revive(of_value, v) for k, v in value.items()}
    if origin is tuple and Ellipsis not in arguments:
        return tuple(_revive(a, v) for a, v in zip(arguments, value, strict=True))
    return origin(_revive(arguments[0], v) for v in value)


def event_from_row(kind: type[Event], row: sa.RowMapping) -> Event:
    """The fact again, as its handlers want it, from its outbox row."""
    hints = _hints(kind)
    own = {k: _revive(hints[k], v) for k, v in row["payload"].items() if k in hints}
    return kind(at=row["at"], shop_id=row["shop_id"], aggregate_id=row["aggregate_id"], **own)
