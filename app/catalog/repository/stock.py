"""Stock is moved by one conditional statement for any number of variants, all of them or none.

On PostgreSQL the rows are locked first, in the order of their ids; the condition is judged and the
new numbers are computed on what the lock found. A statement that had to wait for a rival must not
decide by the stock from before: it would refuse what was just released, and it would check its
constraints on numbers that are no longer true. SQLite has one writer, to whom locks mean nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Stock
from app.core.sql import given_later, ids_in, is_postgresql, table, told

_stock = table(Stock)
_COLUMNS: Mapping[str, sa.types.TypeEngine[Any]] = {
    "variant_id": sa.Uuid(),
    "quantity": sa.BigInteger(),
}

Numbers = Mapping[str, sa.ColumnElement[int]]


@dataclass(frozen=True, slots=True)
class Move:
    """What must hold of every variant, and the numbers that change then."""

    enough: Callable[[sa.CTE], sa.ColumnElement[bool]]
    change: Callable[[sa.CTE], Numbers]


_RESERVE = Move(
    enough=lambda held: held.c.on_hand - held.c.reserved - held.c.sold >= held.c.quantity,
    change=lambda held: {"reserved": held.c.reserved + held.c.quantity},
)
_CLAIM = Move(
    enough=lambda held: held.c.reserved >= held.c.quantity,
    change=lambda held: {
        "reserved": held.c.reserved - held.c.quantity,
        "sold": held.c.sold + held.c.quantity,
    },
)
_RELEASE = Move(
    enough=lambda held: held.c.reserved >= held.c.quantity,
    change=lambda held: {"reserved": held.c.reserved - held.c.quantity},
)
_GIVE_BACK = Move(
    enough=lambda held: held.c.sold >= held.c.quantity,
    change=lambda held: {"sold": held.c.sold - held.c.quantity},
)


@cache
def _statement(move: Move, *, on_postgresql: bool) -> sa.Executable:
    """Built once: every order runs two of these."""
    wanted = given_later("wanted", _COLUMNS, on_postgresql=on_postgresql)
    held = (
        sa.select(_stock, wanted.c.quantity)
        .join(wanted, wanted.c.variant_id == _stock.c.variant_id)
        .order_by(_stock.c.variant_id)
        .with_for_update(key_share=True, of=_stock)
        .cte("held")
    )
    met = sa.select(sa.func.count()).select_from(held).where(move.enough(held)).scalar_subquery()
    # Every number is written, changed or not: constraints are first checked on the row as the
    # statement saw it, where a mixture of old and new numbers may well break them.
    numbers = {name: held.c[name] for name in ("on_hand", "reserved", "sold")}
    return (
        sa.update(_stock)
        .where(
            _stock.c.variant_id == held.c.variant_id,
            met == sa.bindparam("variants", type_=sa.BigInteger),
        )
        .values({**numbers, **move.change(held)})
        .returning(_stock.c.variant_id)
    )


async def _moved(db: AsyncSession, units: Mapping[UUID, int], move: Move) -> bool:
    """Apply a change to every variant if the condition holds for each of them, else to none."""
    rows = [{"variant_id": v, "quantity": q} for v, q in units.items()]
    values = {"wanted": told(db, _COLUMNS, rows), "variants": len(units)}
    done = await db.execute(_statement(move, on_postgresql=is_postgresql(db)), values)
    return len(done.all()) == len(units)


async def reserve(db: AsyncSession, units: Mapping[UUID, int]) -> bool:
    """available -> reserved."""
    return await _moved(db, units, _RESERVE)


async def claim(db: AsyncSession, units: Mapping[UUID, int]) -> bool:
    """reserved -> sold."""
    return await _moved(db, units, _CLAIM)


async def release(db: AsyncSession, units: Mapping[UUID, int]) -> bool:
    """reserved -> available."""
    return await _moved(db, units, _RELEASE)


async def give_back(db: AsyncSession, units: Mapping[UUID, int]) -> bool:
    """sold -> available."""
    return await _moved(db, units, _GIVE_BACK)


async def available_of(db: AsyncSession, variant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Units that can be had now, by variant; unknown variants are absent."""
    left = (_stock.c.on_hand - _stock.c.reserved - _stock.c.sold).label("available")
    rows = await db.execute(
        sa.select(_stock.c.variant_id, left).where(ids_in(db, _stock.c.variant_id, variant_ids))
    )
    return {row.variant_id: row.available for row in rows}


async def adjust(db: AsyncSession, shop_id: UUID, variant_id: UUID, quantity: int) -> Stock | None:
    """Add to the units on hand, or take away as long as all that is committed stays covered."""
    changed = await db.execute(
        sa.update(_stock)
        .where(
            _stock.c.variant_id == variant_id,
            _stock.c.shop_id == shop_id,
            _stock.c.on_hand + quantity >= _stock.c.reserved + _stock.c.sold,
        )
        .values(on_hand=_stock.c.on_hand + quantity)
        .returning(_stock)
    )
    return _record(changed)


async def levels(db: AsyncSession, shop_id: UUID, variant_id: UUID) -> Stock | None:
    """The stock of a variant of the shop."""
    return _record(
        await db.execute(
            sa.select(_stock).where(_stock.c.variant_id == variant_id, _stock.c.shop_id == shop_id)
        )
    )


def _record(rows: sa.Result[Any]) -> Stock | None:
    row = rows.mappings().first()
    return None if row is None else Stock(**row)
