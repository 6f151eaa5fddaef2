"""The embedded sandbox provider: deterministic by token, with books of its own that only grow.

Tokens: `sandbox_success` captures at once; `sandbox_decline` refuses; `sandbox_delay` captures
some seconds later and sends a notice then; `sandbox_duplicate` captures and sends two notices.
It keeps its books in transactions of its own, as a provider elsewhere would.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import DATABASE_ERRORS, Database
from app.payments.adapters.sandbox import repository
from app.payments.gateway import (
    SANDBOX,
    Charge,
    ChargeState,
    ChargeWish,
    GatewayRefund,
    GatewayUnavailable,
    Notice,
    RefundState,
    RefundWish,
    Told,
)

SUCCESS, DECLINE, DELAY, DUPLICATE = (
    "sandbox_success",
    "sandbox_decline",
    "sandbox_delay",
    "sandbox_duplicate",
)
T = TypeVar("T")
STATEMENT_ROWS = 200
TAKING = frozenset({SUCCESS, DELAY, DUPLICATE})


class SandboxGateway:
    """Satisfies `Notifier`; its truth is the table `sandbox_entries`."""

    name = SANDBOX

    def __init__(self, database: Database, *, delay_seconds: int) -> None:
        self._database = database
        self._delay = timedelta(seconds=delay_seconds)

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Take or refuse by token; a repeated wish finds what the first one did."""
        kind = "charge" if wish.token in TAKING else "decline"
        settles_at = now + self._delay if wish.token == DELAY else now

        async def book(db: AsyncSession) -> Charge:
            entry = _entry(wish, kind, now, settles_at)
            if await repository.append(db, entry):
                await self._announce(db, wish, settles_at)
                return _charge([entry], now)
            return await self._read(db, wish.payment_id, now)

        return await self._booked(book)

    async def _announce(self, db: AsyncSession, wish: ChargeWish, settles_at: datetime) -> None:
        count = {DELAY: 1, DUPLICATE: 2}.get(wish.token, 0)
        if count:
            await repository.add_notices(db, wish.payment_id, settles_at, count)

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """What the books say about a payment."""

        async def look(db: AsyncSession) -> Charge | None:
            entries = await repository.entries_of(db, wish.payment_id)
            return await self._read(db, wish.payment_id, now) if entries else None

        return await self._booked(look)

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Seal a payment: of a charge and a cancellation the first entry counts."""

        async def book(db: AsyncSession) -> Charge:
            if not await repository.append(db, _entry(wish, "cancel", now, now)):
                found = await self._read(db, wish.payment_id, now)
                if found.state is ChargeState.PENDING:
                    late = {**_entry(wish, "cancel", now, now), "slot": f"stop:{wish.payment_id}"}
                    await repository.append(db, late)
            return await self._read(db, wish.payment_id, now)

        return await self._booked(book)

    async def _read(self, db: AsyncSession, payment_id: UUID, now: datetime) -> Charge:
        """What the books mean now; by the time of reading, since the caller's may be old.

        One reader of a charge at a time: else it could be stopped after somebody was told that
        it is settled.
        """
        await repository.lock_charge(db, payment_id)
        now = max(now, self._database.clock.now())
        return _charge(await repository.entries_of(db, payment_id), now)

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back, never more than the charge holds; the same refund once."""

        async def book(db: AsyncSession) -> GatewayRefund:
            await repository.lock_charge(db, wish.payment_id)
            entries = await repository.entries_of(db, wish.payment_id)
            done = next((e for e in entries if e["subject_id"] == wish.refund_id), None)
            if done is not None:
                return _refunded(wish, done["at"])
            if wish.amount > _left(entries, now):
                return GatewayRefund(
                    wish.refund_id, "", RefundState.FAILED, now, "exceeds_the_charge"
                )
            await repository.append(db, _refund_entry(wish, now))
            return _refunded(wish, now)

        return await self._booked(book)

    async def notices(self, now: datetime, rows_max: int) -> Sequence[Notice]:
        """Messages due to be sent; each is sent until it is said to be heard."""

        async def look(db: AsyncSession) -> Sequence[Notice]:
            rows = await repository.due_notices(db, now, rows_max)
            return [Notice(row["id"], row["payment_id"]) for row in rows]

        return await self._booked(look)

    async def heard(self, notice: Notice, *, now: datetime) -> None:
        """The receiver has dealt with a message."""

        async def strike(db: AsyncSession) -> None:
            await repository.mark_heard(db, notice.id, now)

        await self._booked(strike)

    async def statement(self, since: datetime) -> AsyncIterator[Told]:
        """Every charge and refund made since then, as each stands now."""
        after: UUID | None = None
        while True:
            now = self._database.clock.now()
            looking = partial(_statement_page, since=since, after=after, now=now)
            page, after = await self._booked(looking)
            for told in page:
                yield told
            if after is None:
                return

    async def _booked(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        try:
            return await self._database.transact(work)
        except DATABASE_ERRORS as error:
            raise GatewayUnavailable from error


async def _statement_page(
    db: AsyncSession, *, since: datetime, after: UUID | None, now: datetime
) -> tuple[list[Told], UUID | None]:
    """What is told of the next payments, and the last of them where there may be more."""
    ids = await repository.payments_since(db, since, after, STATEMENT_ROWS)
    told: list[Told] = []
    entries = await repository.entries_of_all(db, ids)
    for _, rows in groupby(entries, key=lambda entry: entry["payment_id"]):
        own = list(rows)
        told.append(_charge(own, now))
        told += [_refund_told(e) for e in own if e["kind"] == "refund"]
    return told, ids[-1] if len(ids) == STATEMENT_ROWS else None


def _entry(wish: ChargeWish, kind: str, at: datetime, settles_at: datetime) -> dict[str, Any]:
    return {
        "slot": f"payment:{wish.payment_id}",
        "kind": kind,
        "payment_id": wish.payment_id,
        "subject_id": wish.payment_id,
        "amount": wish.amount,
        "currency": wish.currency,
        "at": at,
        "settles_at": settles_at,
    }


def _refund_entry(wish: RefundWish, at: datetime) -> dict[str, Any]:
    return {
        "slot": f"refund:{wish.refund_id}",
        "kind": "refund",
        "payment_id": wish.payment_id,
        "subject_id": wish.refund_id,
        "amount": wish.amount,
        "currency": wish.currency,
        "at": at,
        "settles_at": at,
    }


def _charge(entries: Sequence[Any], now: datetime) -> Charge:
    """The state that the set of entries means now, whatever their order."""
    first = next(e for e in entries if e["slot"].startswith("payment:"))
    stopped = any(e["slot"].startswith("stop:") for e in entries)
    if first["kind"] == "decline":
        state = ChargeState.DECLINED
    elif first["kind"] == "cancel" or stopped:
        state = ChargeState.CANCELLED
    else:
        state = ChargeState.CAPTURED if first["settles_at"] <= now else ChargeState.PENDING
    return Charge(
        payment_id=first["payment_id"],
        reference=_name(first["payment_id"]),
        state=state,
        amount=first["amount"],
        currency=first["currency"],
        at=first["settles_at"],
        reason="card_declined" if state is ChargeState.DECLINED else None,
    )


def _left(entries: Sequence[sa.RowMapping], now: datetime) -> int:
    if not entries or _charge(entries, now).state is not ChargeState.CAPTURED:
        return 0
    refunded: int = sum(e["amount"] for e in entries if e["kind"] == "refund")
    taken: int = next(e["amount"] for e in entries if e["kind"] == "charge")
    return taken - refunded


def _refunded(wish: RefundWish, at: datetime) -> GatewayRefund:
    return GatewayRefund(wish.refund_id, _name(wish.refund_id), RefundState.SUCCEEDED, at)


def _refund_told(entry: sa.RowMapping) -> GatewayRefund:
    return GatewayRefund(
        refund_id=entry["subject_id"],
        reference=_name(entry["subject_id"]),
        state=RefundState.SUCCEEDED,
        at=entry["at"],
        payment_id=entry["payment_id"],
        charge_reference=_name(entry["payment_id"]),
        amount=entry["amount"],
        currency=entry["currency"],
    )


def _name(subject_id: UUID) -> str:
    return f"sandbox-{subject_id.hex}"
