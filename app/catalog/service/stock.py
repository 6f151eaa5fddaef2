"""Stock: available -> reserved -> sold and back, each step all or nothing in one statement."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import OutOfStock, StockBelowCommitted
from app.catalog.models import Stock, StockAdjustment
from app.catalog.repository import records
from app.catalog.repository import stock as repository
from app.core.audit_log import note
from app.core.context import actor_var
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id

Units = Mapping[UUID, int]
Move = Callable[[AsyncSession, Units], Awaitable[bool]]


async def reserve(db: AsyncSession, units: Units, *, beside: Iterable[UUID] = ()) -> None:
    """Hold units for an order, of every variant or of none; `OutOfStock` names what is short.

    `beside`: variants whose stock the caller moves later, after locks that come behind stock.
    """
    locked = {**dict.fromkeys(beside, 0), **units}
    if not _asked(units) or await repository.reserve(db, locked):
        return
    # On PostgreSQL the refused statement still holds the rows: this reads what it judged by.
    left = await repository.available_of(db, list(units))
    short = [
        {"variant_id": str(v), "requested": q, "available": left.get(v, 0)}
        for v, q in units.items()
        if left.get(v, 0) < q
    ]
    raise OutOfStock(variants=short)


async def claim(db: AsyncSession, units: Units) -> None:
    """Turn reserved units into sold ones: their order is paid."""
    await _must(repository.claim, db, units)


async def release(db: AsyncSession, units: Units) -> None:
    """Give reserved units back to everybody: their order is off."""
    await _must(repository.release, db, units)


async def give_back(db: AsyncSession, units: Units) -> None:
    """Make sold units available again: they were refunded before they left the house."""
    await _must(repository.give_back, db, units)


def _asked(units: Units) -> bool:
    if any(quantity < 1 for quantity in units.values()):
        raise ValueError("quantities are at least 1")
    return bool(units)


async def _must(move: Move, db: AsyncSession, units: Units) -> None:
    if _asked(units) and not await move(db, units):
        raise RuntimeError("units were moved that nobody held")


async def stock_of(db: AsyncSession, shop_id: UUID, variant_id: UUID) -> Stock:
    """On hand, reserved and sold of a variant of this shop."""
    found = await repository.levels(db, shop_id, variant_id)
    if found is None:
        raise NotFound
    return found


async def list_adjustments(
    db: AsyncSession, shop_id: UUID, variant_id: UUID, paging: Paging
) -> Slice[StockAdjustment]:
    """Why the units on hand changed, the newest reason first."""
    await stock_of(db, shop_id, variant_id)
    return await records.list_adjustments(db, variant_id, paging)


async def adjust_stock(
    db: AsyncSession, shop_id: UUID, variant_id: UUID, quantity: int, reason: str, now: datetime
) -> Stock:
    """Add units (or take some away, `quantity` < 0) and put the reason on record."""
    after = await repository.adjust(db, shop_id, variant_id, quantity)
    if after is None:
        now_there = await stock_of(db, shop_id, variant_id)
        raise StockBelowCommitted(
            on_hand=now_there.on_hand, reserved=now_there.reserved, sold=now_there.sold
        )
    actor = actor_var.get()
    await records.add(
        db,
        StockAdjustment(
            id=new_id(),
            variant_id=variant_id,
            quantity=quantity,
            reason=reason,
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
        ),
    )
    await note(
        db,
        "stock.adjusted",
        ("variant", variant_id),
        at=now,
        shop_id=shop_id,
        change=(
            {"on_hand": after.on_hand - quantity},
            {"on_hand": after.on_hand, "reason": reason},
        ),
    )
    return after
