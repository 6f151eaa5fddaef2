"""Disputes: a buyer calls money back at their bank, and the bank decides."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.payments.events import DisputeClosed, DisputeOpened
from app.payments.gateway import Dispute, DisputeState
from app.payments.models import HELD_STATES
from app.payments.repository import disputes as repository
from app.payments.rules import DISPUTE_RANK, Verdict
from app.payments.service import postings
from app.payments.service.charges import quarantine
from app.payments.service.returns import find_payment


async def record_dispute(
    db: AsyncSession, told: Dispute, *, now: datetime, gateway: str | None = None
) -> Verdict:
    """Take over the provider's word on a dispute; its opening and its end become facts once."""
    paid = await find_payment(db, told.payment_id, told.charge_reference, gateway)
    if paid is None or paid["state"] not in HELD_STATES:
        return Verdict.UNKNOWN
    known = await repository.named(db, paid["gateway"], told.reference)
    if _is_doubtful(paid, known, told):
        return await quarantine(db, paid["id"], "dispute_mismatch", now=now)
    if known is not None:
        told = _furthest(known, told)
        if (told.state, *_fees(told)) == (known["state"], *_fees_of(known)):
            return Verdict.UNCHANGED
    row = await _kept(db, paid, known, told)
    await postings.dispute_fee(db, row, known, at=now)
    await repository.count_on_payment(db, paid["id"])
    await _announce(db, row, known, now)
    return Verdict.APPLIED


def _is_doubtful(paid: sa.RowMapping, known: sa.RowMapping | None, told: Dispute) -> bool:
    """Of another payment, of more than it, or not of what it was opened with."""
    if known is not None and (known["payment_id"], known["amount"]) != (paid["id"], told.amount):
        return True
    return told.currency != paid["currency"] or not 0 < told.amount <= paid["amount"]


def _furthest(known: sa.RowMapping, told: Dispute) -> Dispute:
    """What is known and what is told, together: the fee may come before or after the end."""
    taken, returned = map(max, _fees_of(known), _fees(told))
    told = replace(told, fee_amount=taken, fee_returned_amount=returned)
    if DISPUTE_RANK[told.state] > DISPUTE_RANK[known["state"]]:
        return told
    return replace(
        told,
        state=known["state"],
        reason=known["reason"],
        at=known["closed_at"] or known["opened_at"],
    )


def _fees(told: Dispute) -> tuple[int, int]:
    return told.fee_amount, told.fee_returned_amount


def _fees_of(row: sa.RowMapping) -> tuple[int, int]:
    return row["fee_amount"], row["fee_returned_amount"]


async def _kept(
    db: AsyncSession, paid: sa.RowMapping, known: sa.RowMapping | None, told: Dispute
) -> sa.RowMapping:
    values: dict[str, Any] = {
        "amount": told.amount,
        "state": told.state,
        "reason": told.reason,
        "fee_amount": told.fee_amount,
        "fee_returned_amount": told.fee_returned_amount,
        "opened_at": told.at if known is None else min(known["opened_at"], told.at),
        "closed_at": None if told.state is DisputeState.OPEN else told.at,
    }
    if known is not None:
        return await repository.move(db, known["id"], values)
    values |= {
        "id": new_id(),
        "shop_id": paid["shop_id"],
        "order_id": paid["order_id"],
        "payment_id": paid["id"],
        "gateway": paid["gateway"],
        "reference": told.reference,
        "currency": told.currency,
    }
    return await repository.add(db, values)


async def _announce(
    db: AsyncSession, row: sa.RowMapping, known: sa.RowMapping | None, now: datetime
) -> None:
    """State what became true; one that is first heard of at its end was opened, too."""
    fact: dict[str, Any] = {
        "at": now,
        "shop_id": row["shop_id"],
        "aggregate_id": row["payment_id"],
        "payment_id": row["payment_id"],
        "dispute_id": row["id"],
        "order_id": row["order_id"],
        "amount": row["amount"],
        "currency": row["currency"],
        "fee_amount": row["fee_amount"] - row["fee_returned_amount"],
    }
    was_won, is_won = (x is not None and x["state"] == DisputeState.WON for x in (known, row))
    is_again = was_won and not is_won
    if known is None or is_again:
        await postings.dispute_opened(db, row, is_again=is_again, at=now)
    if known is None:
        await events.record(db, DisputeOpened(**fact, reason=row["reason"]))
    if row["state"] not in (DisputeState.OPEN, known["state"] if known is not None else None):
        is_lost = row["state"] == DisputeState.LOST
        end = postings.dispute_lost if is_lost else postings.dispute_won
        await end(db, row, at=now)
        await events.record(db, DisputeClosed(**fact, is_lost=is_lost))


async def dispute_of_order(db: AsyncSession, order_id: UUID) -> DisputeState | None:
    """How an order's payment stands with the banks: open, else lost, else won."""
    states = await repository.states_of_order(db, order_id)
    by_weight = (DisputeState.OPEN, DisputeState.LOST, DisputeState.WON)
    return next((state for state in by_weight if state in states), None)


async def disputes_of_shop(
    db: AsyncSession, shop_id: UUID, state: DisputeState | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's disputes in one state or all, newest first."""
    after = paging.after(UUID)
    rows = await repository.of_shop(
        db, shop_id, state, after[0] if after else None, paging.limit + 1
    )
    return paging.cut(rows, lambda row: (row["id"],))
