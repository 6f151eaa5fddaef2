"""Refunds above the shop's limit: one operator asks, and another person decides."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.context import actor_var
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.core.security import PrincipalKind
from app.identity.service import maker_of_key
from app.orders.errors import RefundAwaitsApproval, SecondApproverNeeded
from app.orders.models import ApprovalState
from app.orders.repository import after_sales as repository
from app.orders.service.plan import RefundWish


async def ask_second(
    db: AsyncSession,
    row: sa.RowMapping,
    wish: RefundWish,
    *,
    amount: int,
    after_sales_id: UUID | None,
    now: datetime,
) -> sa.RowMapping:
    """Keep a refund until a second person has looked at it; one of an order at a time.

    What a key asks for, its maker asks for. The order's payment is held by the caller.
    """
    actor = actor_var.get()
    by = actor.id
    if actor.kind == PrincipalKind.API_KEY and by is not None:
        by = await maker_of_key(db, by)
    values = {
        "id": new_id(),
        "shop_id": row["shop_id"],
        "order_id": row["id"],
        "after_sales_id": after_sales_id,
        "wish": stored(wish),
        "amount": amount,
        "currency": row["currency"],
        "state": ApprovalState.AWAITING,
        "requested_by": by,
        "requested_by_kind": actor.kind,
        "requested_at": now,
    }
    made = await repository.add_approval(db, values)
    if made is None:
        raise RefundAwaitsApproval
    await note_step(db, "order.refund_asked", made, {"amount": amount}, now=now)
    return made


def stored(wish: RefundWish) -> dict[str, Any]:
    """A wish as JSON; what was expected of other refunds has been looked at."""
    units = wish.units
    return {
        "units": None if units is None else {str(k): v for k, v in units.items()},
        "amount": wish.amount,
        "shipping_amount": wish.shipping_amount,
        "reason": wish.reason,
        "reference": wish.reference,
        "prefix": wish.prefix,
        "restock": wish.restock,
    }


def wish_of(row: Mapping[Any, Any]) -> RefundWish:
    """The stored wish again, for the amount it came to then."""
    said = dict(row["wish"])
    units = said.pop("units")
    by_line = None if units is None else {UUID(k): v for k, v in units.items()}
    return RefundWish(units=by_line, **said, expected_amount=row["amount"])


def second_person(row: Mapping[Any, Any]) -> UUID:
    """The operator who acts, if it is not the one who asked."""
    actor = actor_var.get()
    if actor.kind != PrincipalKind.OPERATOR or actor.id in (None, row["requested_by"]):
        raise SecondApproverNeeded
    assert actor.id is not None
    return actor.id


async def note_step(
    db: AsyncSession, action: str, row: Mapping[Any, Any], told: dict[str, Any], *, now: datetime
) -> None:
    """What somebody did about an approval, with its order."""
    change = (None, {"order_id": str(row["order_id"]), **told})
    subject = ("refund_approval", row["id"])
    await note(db, action, subject, at=now, shop_id=row["shop_id"], change=change)


async def approvals_of_shop(
    db: AsyncSession, shop_id: UUID, state: ApprovalState | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a shop's refunds that wait or waited, newest first."""
    which = {"shop_id": shop_id, **({"state": state} if state else {})}
    after = paging.after(UUID)
    rows = await repository.approvals(db, which, after[0] if after else None, paging.limit + 1)
    return paging.cut(rows, lambda row: (row["id"],))
