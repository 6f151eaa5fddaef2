"""The one place where a provider's word is taken over, whoever brings it.

The end is a function of the set of words, not of their order: each word is held against what is
known under the payment's lock, and what it changes is stated as a fact once, namely

- a capture, a decline, a second capture: `charges._announce`, `charges._set_aside`
- a fee that was told after its capture: `charges._captured_late`
- a refund that succeeded, failed or bounced: `returns._succeeded`, `_failed`, `_returned`
- a refund that was made at the provider: `returns._own`
- a dispute that was opened or closed: `disputes._announce`
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.payments import repository
from app.payments.gateway import Charge, GatewayRefund, Told
from app.payments.rules import Verdict
from app.payments.service.charges import record_charge
from app.payments.service.disputes import record_dispute
from app.payments.service.returns import record_refund


async def record_told(
    db: AsyncSession, told: Told, *, now: datetime, gateway: str | None = None
) -> Verdict:
    """Take over the word of `gateway`, which speaks of its own payments only.

    `unknown`: it is about something that is not here yet; the same word may count later.
    """
    if isinstance(told, Charge):
        return await record_charge(db, told, now=now, gateway=gateway)
    if isinstance(told, GatewayRefund):
        return await record_refund(db, told, now=now, gateway=gateway)
    return await record_dispute(db, told, now=now, gateway=gateway)


async def payment_told_of(db: AsyncSession, told: Told, *, gateway: str) -> UUID | None:
    """The id of the payment that a word of this provider is about, where there is one."""
    payment_id = told.payment_id
    if payment_id is None and isinstance(told, GatewayRefund) and told.refund_id is not None:
        refund = await repository.refund(db, told.refund_id)
        payment_id = refund["payment_id"] if refund is not None else None
    if payment_id is not None:
        row = await repository.payment(db, payment_id)
    elif isinstance(told, Charge) or not told.charge_reference:
        return None
    else:
        row = await repository.payment_named(db, told.charge_reference, gateway)
    return row["id"] if row is not None and row["gateway"] == gateway else None
