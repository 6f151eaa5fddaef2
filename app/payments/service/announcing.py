"""What becomes true by a provider's word on a refund: stated as facts, and posted with them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.core.metrics import REFUND_FAILURES
from app.payments import repository
from app.payments.events import (
    RefundFailed,
    RefundReturned,
    RefundSucceeded,
    SurplusReturned,
)
from app.payments.gateway import GatewayRefund, RefundState
from app.payments.models import PaymentState, RefundStatus
from app.payments.rules import Standing
from app.payments.service import postings

log = structlog.get_logger("payments")


async def announce(
    db: AsyncSession,
    paid: sa.RowMapping,
    refund: sa.RowMapping,
    after: Standing,
    answer: GatewayRefund,
    now: datetime,
) -> None:
    """State what has become true by this word and was not before it."""
    was, is_ = (state == RefundStatus.SUCCEEDED for state in (refund["state"], after.state))
    if is_ and not was:
        assert after.reference is not None, "the round that has succeeded has a name"
        await postings.refund_sent(db, refund, after.reference, at=now)
        await _succeeded(db, paid, refund, now)
    elif was and not is_:
        await postings.refund_came_back(db, refund, refund["gateway_reference"], at=now)
        await _returned(db, paid, refund, answer.reason or "failed", now)
    elif was and refund["gateway_reference"] != after.reference:
        # It was sent twice, and the one that counted has bounced: now the other one counts.
        assert after.reference is not None, "the round that has succeeded has a name"
        await postings.refund_came_back(db, refund, refund["gateway_reference"], at=now)
        await postings.refund_sent(db, refund, after.reference, at=now)
    elif answer.state is RefundState.FAILED and not is_:
        await _failed(db, paid, refund, answer.reason or "failed", now)


def _about(refund: sa.RowMapping, now: datetime) -> dict[str, Any]:
    """What every fact about a refund tells."""
    return {
        "at": now,
        "shop_id": refund["shop_id"],
        "aggregate_id": refund["payment_id"],
        "payment_id": refund["payment_id"],
        "refund_id": refund["id"],
        "order_id": refund["order_id"],
        "amount": refund["amount"],
    }


async def _succeeded(
    db: AsyncSession, paid: sa.RowMapping, refund: sa.RowMapping, now: datetime
) -> None:
    total = await repository.add_refunded(db, paid["id"], refund["amount"])
    if paid["state"] == PaymentState.SURPLUS:
        await _surplus_moved(db, refund, now, is_back=True)
        return
    await events.record(
        db,
        RefundSucceeded(
            **_about(refund, now),
            currency=refund["currency"],
            refunded_amount=total,
        ),
    )


async def _returned(
    db: AsyncSession, paid: sa.RowMapping, refund: sa.RowMapping, reason: str, now: datetime
) -> None:
    """The money had arrived and has bounced: it is owed again, and somebody should know."""
    total = await repository.add_refunded(db, paid["id"], -refund["amount"])
    log.warning("refund_returned", refund_id=str(refund["id"]), amount=refund["amount"])
    REFUND_FAILURES.labels("returned").inc()
    if paid["state"] == PaymentState.SURPLUS:
        await _surplus_moved(db, refund, now, is_back=False)
        return
    await events.record(
        db,
        RefundReturned(
            **_about(refund, now),
            currency=refund["currency"],
            refunded_amount=total,
            reason=reason[:120],
        ),
    )


async def _surplus_moved(
    db: AsyncSession, refund: sa.RowMapping, now: datetime, *, is_back: bool
) -> None:
    """The order has nothing to do with money that was taken beside it."""
    await events.record(
        db,
        SurplusReturned(
            **_about(refund, now),
            currency=refund["currency"],
            is_back=is_back,
        ),
    )


async def _failed(
    db: AsyncSession, paid: sa.RowMapping, refund: sa.RowMapping, reason: str, now: datetime
) -> None:
    REFUND_FAILURES.labels("refused").inc()
    if paid["state"] == PaymentState.SURPLUS:
        return
    await events.record(
        db,
        RefundFailed(
            **_about(refund, now),
            reason=reason[:120],
        ),
    )
