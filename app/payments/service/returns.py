"""What providers tell of refunds: kept by round, counted once, whatever order it comes in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.errors import Problem
from app.core.ids import is_derived
from app.payments import repository
from app.payments.errors import NotYetError, RefundExceedsPayment, RefundReferenceUsed
from app.payments.events import RefundAdopted
from app.payments.gateway import GatewayRefund, RefundState
from app.payments.models import HELD_STATES, PaymentState, RefundStatus
from app.payments.repository import rounds as rounds_repository
from app.payments.rules import REFUND_RANK, Standing, Verdict, round_name, standing
from app.payments.service import postings
from app.payments.service.announcing import announce
from app.payments.service.charges import quarantine
from app.payments.service.refunds import new_refund, postpone_refund
from app.payments.service.strays import record_stray_refund, stray_of

MADE_AT_PROVIDER = "made_at_provider"
PENDING_THERE = "pending at the provider"
SEND_FAILED_AFTER = timedelta(hours=1)
log = structlog.get_logger("payments")


async def record_refund(
    db: AsyncSession,
    answer: GatewayRefund,
    *,
    now: datetime,
    round_: int | None = None,
    gateway: str | None = None,
) -> Verdict:
    """Take over the provider's word on a refund; each success, failure and return counts once.

    `round_` is the one that was sent, where this is the answer; `gateway` is who tells.
    """
    known = await _known(db, answer, gateway)
    if known is None:
        stray = await stray_of(db, answer, gateway)
        if stray is not None:
            return await _of_stray(db, stray, answer, now)
        return await _adopt(db, answer, now, gateway)
    paid = await repository.lock_payment(db, known["payment_id"])
    if paid is None or gateway not in (None, paid["gateway"]):
        return Verdict.UNKNOWN
    # Again, now that nobody else can move it.
    refund = await repository.refund(db, known["id"])
    assert refund is not None, "a refund is never deleted"
    if await _is_of_a_lost_day(db, paid, refund, answer):
        refund = await _resize(db, paid, refund, answer.amount or 0, now) or refund
    doubt = await _doubt(db, refund, answer, paid["gateway"])
    if doubt is not None:
        return await quarantine(db, paid["id"], doubt, now=now)
    name = answer.reference or round_name(round_ or refund["round"])
    return await _take_over(db, paid, refund, answer, name, now)


async def _is_of_a_lost_day(
    db: AsyncSession, paid: sa.RowMapping, refund: sa.RowMapping, answer: GatewayRefund
) -> bool:
    """The rule that owes it has decided it before, of another amount, and the row was lost."""
    return (
        answer.refund_id == refund["id"]
        and answer.amount not in (None, 0, refund["amount"])
        and (answer.payment_id, answer.currency) == (paid["id"], paid["currency"])
        and answer.state is RefundState.SUCCEEDED
        and is_derived(refund["id"], paid["id"])
        and not await rounds_repository.rounds_of(db, refund["id"])
    )


async def _resize(
    db: AsyncSession, paid: sa.RowMapping, refund: sa.RowMapping, amount: int, now: datetime
) -> sa.RowMapping | None:
    """The refund with another amount; none where the payment does not hold so much."""
    if not await repository.owe_told(db, paid["id"], amount - refund["amount"]):
        return None
    await repository.resize_refund(db, refund["id"], amount)
    await postings.refund_resized(db, paid, refund, amount, at=now)
    await _adopted(db, paid, refund["id"], amount, now)
    return await repository.refund(db, refund["id"])


async def _known(
    db: AsyncSession, answer: GatewayRefund, gateway: str | None
) -> sa.RowMapping | None:
    if answer.refund_id is not None:
        return await repository.refund(db, answer.refund_id)
    return await repository.refund_named(db, answer.reference, gateway)


async def _doubt(
    db: AsyncSession, refund: sa.RowMapping, answer: GatewayRefund, gateway: str
) -> str | None:
    told = (answer.payment_id, answer.amount, answer.currency)
    asked = (refund["payment_id"], refund["amount"], refund["currency"])
    if any(t is not None and t != a for t, a in zip(told, asked, strict=True)):
        return "refund_mismatch"
    if answer.refund_id is None or not answer.reference:
        return None
    named = await repository.refund_named(db, answer.reference, gateway)
    return "refund_mismatch" if named is not None and named["id"] != refund["id"] else None


async def _take_over(
    db: AsyncSession,
    paid: sa.RowMapping,
    refund: sa.RowMapping,
    answer: GatewayRefund,
    name: str,
    now: datetime,
) -> Verdict:
    rounds = await rounds_repository.rounds_of(db, refund["id"])
    before = rounds.get(name)
    if before is not None and REFUND_RANK[answer.state] <= REFUND_RANK[before]:
        if refund["state"] == RefundStatus.PENDING:
            await postpone_refund(db, refund, answer.reason or PENDING_THERE, now=now)
        return Verdict.UNCHANGED
    await rounds_repository.tell_round(db, refund["id"], name, answer.state, answer.at)
    rounds[name] = answer.state
    after = standing(rounds, refund["gateway_reference"])
    await _write(db, refund, after, answer, now)
    await announce(db, paid, refund, after, answer, now)
    if list(rounds.values()).count(RefundState.SUCCEEDED) > 1:
        return await quarantine(db, paid["id"], "refunded_twice", now=now)
    return Verdict.APPLIED


async def _write(
    db: AsyncSession,
    refund: sa.RowMapping,
    after: Standing,
    answer: GatewayRefund,
    now: datetime,
) -> None:
    is_back = after.state is RefundStatus.SUCCEEDED
    error = None if is_back else answer.reason
    values = {
        "state": after.state,
        "round": after.round,
        "gateway_reference": after.reference,
        "done_at": answer.at if is_back else None,
        "last_error": error[:200] if error else None,
    }
    if after.state is RefundStatus.FAILED:
        values |= {"send_after": now + SEND_FAILED_AFTER, "last_error": (error or "failed")[:200]}
    await repository.move_refund(db, refund["id"], values)
    if after.state is RefundStatus.PENDING:
        await postpone_refund(db, refund, answer.reason or PENDING_THERE, now=now)


async def _of_stray(
    db: AsyncSession, stray: sa.RowMapping, answer: GatewayRefund, now: datetime
) -> Verdict:
    verdict = await record_stray_refund(db, stray, answer, now=now)
    if verdict is Verdict.QUARANTINED:
        return await quarantine(db, stray["payment_id"], "refund_mismatch", now=now)
    return verdict


async def _adopt(
    db: AsyncSession, answer: GatewayRefund, now: datetime, gateway: str | None
) -> Verdict:
    """A refund that somebody made at the provider becomes one of ours, its money owed and sent.

    So does one of ours that is not here: it was committed before it was sent, so its row is lost,
    as to a backup that was put back. It keeps its id, lest it be decided and sent a second time.
    """
    paid = await find_payment(db, answer.payment_id, answer.charge_reference, gateway)
    if paid is None or not await _is_adoptable(db, paid, answer):
        return Verdict.UNKNOWN
    if not answer.amount or answer.currency != paid["currency"]:
        return await quarantine(db, paid["id"], "refund_mismatch", now=now)
    try:
        answer = await _placed(db, paid, answer, now)
    except NotYetError:
        return Verdict.UNKNOWN
    except Problem as refusal:
        return await quarantine(db, paid["id"], refusal.code, now=now)
    await repository.settle_quarantine(db, paid["id"], RefundExceedsPayment.code)
    await record_refund(db, answer, now=now, gateway=gateway)
    return Verdict.APPLIED


async def _placed(
    db: AsyncSession, paid: sa.RowMapping, answer: GatewayRefund, now: datetime
) -> GatewayRefund:
    """The word under a refund of ours: a new one, or one that cannot be sent beside it.

    Raises what `_own` does.
    """
    try:
        async with events.savepoint(db):
            await _own(db, paid, answer, now)
    except RefundExceedsPayment:
        rows = await repository.refunds_of_payment(db, paid["id"])
        refused = [row for row in rows if row["state"] == RefundStatus.FAILED]
        same = next((row for row in refused if row["amount"] == answer.amount), None)
        if same is not None:
            return replace(answer, refund_id=same["id"])
        async with events.savepoint(db):
            await _make_room(db, paid, answer, refused, now)
            await _own(db, paid, answer, now)
    return answer


async def _make_room(
    db: AsyncSession,
    paid: sa.RowMapping,
    answer: GatewayRefund,
    refused: Sequence[sa.RowMapping],
    now: datetime,
) -> None:
    """What a rule owes is everything that is left, and that is less than it knew.

    Raises `RefundExceedsPayment` where there is no such refund.
    """
    told = answer.amount or 0
    whole = next(
        (r for r in refused if r["amount"] > told and is_derived(r["id"], paid["id"])), None
    )
    if whole is None or answer.state is not RefundState.SUCCEEDED:
        raise RefundExceedsPayment
    await _resize(db, paid, whole, whole["amount"] - told, now)


async def _is_adoptable(db: AsyncSession, paid: sa.RowMapping, answer: GatewayRefund) -> bool:
    if paid["state"] not in HELD_STATES:
        return False
    if answer.refund_id is None and await _may_be_ours(db, paid, answer):
        return False
    # Or else a rival has adopted it just now: told again, it is known.
    return await repository.refund_named(db, answer.reference, paid["gateway"]) is None


async def find_payment(
    db: AsyncSession, payment_id: UUID | None, reference: str | None, gateway: str | None
) -> sa.RowMapping | None:
    """The payment of a provider's word, its row held; `None` for another provider's too."""
    if payment_id is None:
        named = await repository.payment_named(db, reference, gateway) if reference else None
        if named is None:
            return None
        payment_id = named["id"]
    row = await repository.lock_payment(db, payment_id)
    return row if row is not None and gateway in (None, row["gateway"]) else None


async def _may_be_ours(db: AsyncSession, paid: sa.RowMapping, answer: GatewayRefund) -> bool:
    """One of this amount is on its way from here, and the provider's name of it is not known."""
    return any(
        row["state"] == RefundStatus.PENDING
        and row["gateway_reference"] is None
        and row["amount"] == answer.amount
        for row in await repository.refunds_of_payment(db, paid["id"])
    )


async def _own(db: AsyncSession, paid: sa.RowMapping, answer: GatewayRefund, now: datetime) -> None:
    """Raises `RefundExceedsPayment` or what the order refuses it with, or `NotYetError`."""
    assert answer.amount is not None
    if not await repository.owe_told(db, paid["id"], answer.amount):
        raise RefundExceedsPayment
    refund = {
        **new_refund(paid, answer.amount, MADE_AT_PROVIDER, answer.reference, now=now),
        **({} if answer.refund_id is None else {"id": answer.refund_id}),
        "send_after": now + SEND_FAILED_AFTER,
        "gateway_reference": answer.reference,
    }
    refund_id = refund["id"]
    if not await repository.add_refund(db, refund):
        raise RefundReferenceUsed
    await postings.refund_owed(db, paid, refund, at=now)
    await rounds_repository.tell_round(
        db, refund_id, answer.reference, RefundState.PENDING, answer.at
    )
    await _adopted(db, paid, refund_id, answer.amount, now)


async def _adopted(
    db: AsyncSession, paid: sa.RowMapping, refund_id: UUID, amount: int, now: datetime
) -> None:
    """The order has nothing to do with money that was taken beside it."""
    if paid["state"] != PaymentState.CAPTURED:
        return
    await events.record(
        db,
        RefundAdopted(
            at=now,
            shop_id=paid["shop_id"],
            aggregate_id=paid["id"],
            payment_id=paid["id"],
            refund_id=refund_id,
            order_id=paid["order_id"],
            amount=amount,
            currency=paid["currency"],
        ),
    )
