"""Idempotency keys: the first answer is kept and given again, for the same caller and request."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Header
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import IdempotencyInFlight, IdempotencyKeyReused
from app.core.security import Principal
from app.core.sql import Json, is_postgresql, table, upsert

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("etag", "location", "content-language")

KeyHeader = Annotated[
    str,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Chosen by the client, one for each intent; kept for 48 hours. The same key "
        "with the same request gives the first answer again.",
        examples=["0b1f7c1e-6a55-4c55-9d0f-2f1f5a5cf7a1"],
    ),
]


async def require_key(_: KeyHeader) -> None:
    """Refuse a request without a usable key; the route itself reads it."""


_IN_FLIGHT = sa.text("status IS NULL")


class IdempotencyAnswer(SQLModel, table=True):
    """One key: its request's hash and, once there is one, the answer. `status` NULL: in flight.

    Answers tell of their caller, who is `subject_id`: erasing a person is a delete here too. It is
    no foreign key, as members, operators and API keys all have answers.
    """

    __tablename__ = "idempotency_answers"
    __table_args__ = (
        sa.Index(
            "ix_idempotency_answers_in_flight",
            "lease_until",
            postgresql_where=_IN_FLIGHT,
            sqlite_where=_IN_FLIGHT,
        ),
    )

    scope: str = Field(primary_key=True, max_length=64)
    subject_id: UUID = Field(index=True)
    request_hash: str = Field(max_length=64)
    status: int | None = None
    headers: dict[str, str] | None = Field(default=None, sa_type=Json)
    body: str | None = Field(default=None, sa_type=sa.Text)
    lease_until: datetime | None = None
    created_at: datetime = Field(index=True)


_answers = table(IdempotencyAnswer)
_add = sa.insert(_answers)
_is_it = _answers.c.scope == sa.bindparam("of_scope", type_=_answers.c.scope.type)
_look = sa.select(_answers, sa.true().label("is_locked")).where(_is_it)
_lock = sa.select(
    sa.func.pg_try_advisory_xact_lock(sa.bindparam("lock_id", type_=sa.BigInteger)).label(
        "is_locked"
    )
).cte("locked")
_lock_and_look = sa.select(_answers, _lock.c.is_locked).select_from(
    _lock.outerjoin(_answers, _is_it)
)


@dataclass(slots=True)
class Key:
    """A caller's key for one request, and whether its row says "in flight" and until when.

    An in-flight row belongs to whoever wrote its lease: one that was overtaken after its lease
    ended finds another lease there and neither answers nor releases for the new owner.
    """

    scope: str
    subject_id: UUID
    request_hash: str
    marked: bool = False
    lease_until: datetime | None = None

    @staticmethod
    def of(request: Request, body: bytes, caller: Principal, key: str) -> "Key":
        """The key as this caller's own; the hash covers method, path, query and body."""
        line = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        subject = f"{caller.kind.value}:{caller.id}"
        return Key(
            scope=hashlib.sha256(f"{subject}\n{key}".encode()).hexdigest(),
            subject_id=caller.id,
            request_hash=hashlib.sha256(line + body).hexdigest(),
        )

    @property
    def _lock_id(self) -> int:
        return int.from_bytes(bytes.fromhex(self.scope)[:8], "big", signed=True)

    async def take(self, db: AsyncSession, *, now: datetime) -> Response | None:
        """The kept answer, or `None` when the work is this request's to do.

        On PostgreSQL a transaction lock on the key tells rivals apart; on SQLite the writer's lock
        has already done so. The look may be from just before the lock: an answer stored in between
        is met by its primary key when this request stores its own, and is found on the next run.
        """
        values = {"of_scope": self.scope, "lock_id": self._lock_id}
        statement = _lock_and_look if is_postgresql(db) else _look
        row = (await db.execute(statement, values)).mappings().first()
        if row is not None and not row["is_locked"]:
            raise IdempotencyInFlight
        # A lock without an answer comes as a row of nothing.
        kept = None if row is None or row["scope"] is None else row
        return self._answer(kept, now)

    def _answer(self, kept: sa.RowMapping | None, now: datetime) -> Response | None:
        if kept is None:
            return None
        if kept["request_hash"] != self.request_hash:
            raise IdempotencyKeyReused
        if kept["status"] is None:
            if kept["lease_until"] and kept["lease_until"] > now:
                raise IdempotencyInFlight
            self.marked, self.lease_until = True, kept["lease_until"]
            return None
        return Response(
            kept["body"],
            status_code=kept["status"],
            headers={**(kept["headers"] or {}), REPLAYED: "true"},
        )

    async def mark_in_flight(self, db: AsyncSession, *, now: datetime, lease_seconds: int) -> None:
        """Say to rivals that the work goes on outside a transaction."""
        lease_until = now + timedelta(seconds=lease_seconds)
        await self._write(db, now, status=None, lease_until=lease_until)
        self.marked, self.lease_until = True, lease_until

    async def store(self, db: AsyncSession, response: Response, *, now: datetime) -> None:
        """Keep the answer, in the transaction of the work itself."""
        kept = {n: response.headers[n] for n in KEPT_HEADERS if n in response.headers}
        if "content-type" in response.headers:
            kept["content-type"] = response.headers["content-type"]
        await self._write(
            db,
            now,
            status=response.status_code,
            headers=kept,
            body=bytes(response.body).decode(),
            lease_until=None,
        )

    async def release(self, db: AsyncSession) -> None:
        """Forget an unfinished attempt, so that the client's retry need not wait for the lease."""
        await db.execute(sa.delete(_answers).where(_answers.c.scope == self.scope, self._is_ours()))

    def _is_ours(self) -> sa.ColumnElement[bool]:
        return sa.and_(_answers.c.status.is_(None), _answers.c.lease_until == self.lease_until)

    async def _write(self, db: AsyncSession, now: datetime, **values: Any) -> None:
        first = {
            "scope": self.scope,
            "subject_id": self.subject_id,
            "request_hash": self.request_hash,
            "created_at": now,
        }
        if not self.marked:
            # A rival that slipped past the lock meets the primary key here and is run again.
            await db.execute(_add, {**first, **values})
            return
        statement = upsert(db, _answers).values(**first, **values)
        done = await db.execute(
            statement.on_conflict_do_update(
                index_elements=["scope"], set_=values, where=self._is_ours()
            )
        )
        if not done.rowcount:  # type: ignore[attr-defined]
            raise IdempotencyInFlight


async def forget_answers(db: AsyncSession, subject_id: UUID) -> None:
    """Drop every kept answer of somebody, for good."""
    await db.execute(sa.delete(_answers).where(_answers.c.subject_id == subject_id))


async def prune_answers(db: AsyncSession, *, before: datetime, rows_max: int) -> int:
    """Drop answers older than `before`, a bounded number at a time."""
    return await _drop(db, _answers.c.created_at < before, rows_max)


async def release_abandoned(db: AsyncSession, *, before: datetime, rows_max: int) -> int:
    """Forget attempts whose lease ended before then: cut off by a crash, and nobody came again."""
    return await _drop(
        db, sa.and_(_answers.c.status.is_(None), _answers.c.lease_until < before), rows_max
    )


async def _drop(db: AsyncSession, which: sa.ColumnElement[bool], rows_max: int) -> int:
    found = sa.select(_answers.c.scope).where(which).limit(rows_max)
    # Asked again where it is deleted: a client may have come after all.
    done = await db.execute(sa.delete(_answers).where(_answers.c.scope.in_(found), which))
    return int(done.rowcount)  # type: ignore[attr-defined]
