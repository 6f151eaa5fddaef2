"""What partner brands are owed of an order: their share of what is paid and not owed back."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import events
from app.ledger import service as ledger
from app.ledger.models import Account
from app.ledger.rules import Entry, Posting, Side, moved
from app.orders.events import OrderEvent, OrderSharesChanged
from app.orders.repository import orders as repository
from app.orders.rules import LineKept, partner_shares
from app.orders.service.facts import fact

PARTNER_SHARE = "order.partner_share"


async def note_shares(db: AsyncSession, row: sa.RowMapping, at: datetime) -> None:
    """State that brands are owed something else of this order now, if there are any in it."""
    if row["has_partners"] and row["confirmed_at"] is not None:
        await events.record(db, fact(OrderSharesChanged, row, at))


async def share_with_partners(db: AsyncSession, told: OrderEvent) -> None:
    """Handler: post the difference between what brands are owed now and what was posted so far.

    It looks at the order as it stands, so confirmation and refunds may be heard in any order and
    more than once; what nobody has heard of yet is posted with the fact that tells it. The order's
    lock keeps two of them apart.
    """
    if not _of_partners(await repository.lines_of(db, [told.order_id])):
        return
    order = await repository.hold(db, told.order_id)
    lines = _of_partners(await repository.lines_of(db, [told.order_id]))
    target = partner_shares(lines) if order["confirmed_at"] is not None else {}
    before = await ledger.posted(db, PARTNER_SHARE, order["id"], Account.PARTNER_PAYABLE)
    # A brand's account is in credit, which is below zero, by what it is owed.
    missing = {
        brand_id: target.get(brand_id, 0) + before.amounts.get(brand_id, 0)
        for brand_id in sorted({*target, *before.amounts})
    }
    entries = [e for brand_id, n in missing.items() if n for e in _owed(brand_id, n, order)]
    if entries:
        reference = f"{order['id']}:{before.transactions + 1}"
        await ledger.post(db, _posting(order, reference, entries, told.at))


def _of_partners(lines: Iterable[sa.RowMapping]) -> list[LineKept]:
    return [
        LineKept(
            row["brand_id"], row["brand_share_bp"], row["payable_amount"] - row["refunded_amount"]
        )
        for row in lines
        if row["brand_id"] is not None and row["brand_share_bp"]
    ]


def _owed(brand_id: UUID, amount: int, order: sa.RowMapping) -> tuple[Entry, Entry]:
    return moved(
        amount,
        order["currency"],
        debit=Side(Account.SHOP_PAYABLE),
        credit=Side(Account.PARTNER_PAYABLE, brand_id),
    )


def _posting(
    order: sa.RowMapping, reference: str, entries: Iterable[Entry], at: datetime
) -> Posting:
    return Posting(
        shop_id=order["shop_id"],
        kind=PARTNER_SHARE,
        reference=reference,
        subject_id=order["id"],
        currency=order["currency"],
        at=at,
        entries=tuple(entries),
    )
