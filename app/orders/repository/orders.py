"""All SQL of orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.http.paging import beyond
from app.core.sql import (
    all_rows,
    changed,
    first_row,
    given,
    given_later,
    is_postgresql,
    table,
    told,
)
from app.orders.models import (
    Fulfilment,
    Order,
    OrderAddress,
    OrderDispute,
    OrderLine,
    OrderRefundPart,
    OrderStatus,
    RefundShare,
)

_orders = table(Order)
_lines = table(OrderLine)
_addresses = table(OrderAddress)
_parts = table(OrderRefundPart)

_WANTED: Mapping[str, sa.types.TypeEngine[Any]] = {"id": sa.Uuid()}
_add_order, _add_lines, _add_address = (sa.insert(t) for t in (_orders, _lines, _addresses))
_LINE: Mapping[str, sa.types.TypeEngine[Any]] = {c.name: c.type for c in _lines.c}


def _adding_all() -> sa.Executable:
    """An order with its lines and address by one statement, where one can write three tables."""

    def values(target: sa.Table, prefix: str) -> dict[str, sa.BindParameter[Any]]:
        return {c.name: sa.bindparam(f"{prefix}_{c.name}", type_=c.type) for c in target.c}

    told_lines = given_later("lines", _LINE, on_postgresql=True)
    order = _add_order.values(values(_orders, "order")).cte("added_order")
    line = sa.select(*(told_lines.c[name] for name in _LINE))
    lines = _add_lines.from_select(list(_LINE), line).cte("added_lines")
    return _add_address.values(values(_addresses, "address")).add_cte(order, lines)


_add_all = _adding_all()

# The id makes the order; what it was priced on is large and read only where it is shown.
_BRIEF = [c for c in _orders.c if c.name != "priced"]


def _has_partners(mine: sa.ColumnElement[bool]) -> sa.Label[bool]:
    """Told with a row where what partner brands are owed of it may change; most have none.

    `mine` are the lines of these orders: SQLite takes a column of the outer row in RETURNING for
    one of the inner.
    """
    shared = sa.select(_lines.c.order_id).where(mine, _lines.c.brand_share_bp > 0)
    return _orders.c.id.in_(shared).label("has_partners")


async def add(
    db: AsyncSession,
    order: dict[str, Any],
    lines: Sequence[dict[str, Any]],
    address: dict[str, Any],
) -> None:
    """Insert an order with its lines and address, by one statement on PostgreSQL."""
    if is_postgresql(db):
        values = {f"order_{name}": value for name, value in order.items()}
        values |= {f"address_{name}": value for name, value in address.items()}
        await db.execute(_add_all, {**values, "lines": told(db, _LINE, lines)})
        return
    await db.execute(_add_order, order)
    await db.execute(_add_lines, list(lines))
    await db.execute(_add_address, address)


async def order(db: AsyncSession, order_id: UUID) -> sa.RowMapping | None:
    """One order without its priced snapshot."""
    return await first_row(db, sa.select(*_BRIEF).where(_orders.c.id == order_id))


async def orders(db: AsyncSession, order_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """Orders by id; no statement for none."""
    if not order_ids:
        return ()
    return await all_rows(db, sa.select(*_BRIEF).where(_orders.c.id.in_(order_ids)))


async def order_of_member(
    db: AsyncSession, member_id: UUID, order_id: UUID
) -> sa.RowMapping | None:
    """One order of this buyer."""
    statement = sa.select(*_BRIEF).where(_orders.c.id == order_id, _orders.c.member_id == member_id)
    return await first_row(db, statement)


async def order_of_shop(db: AsyncSession, shop_id: UUID, order_id: UUID) -> sa.RowMapping | None:
    """One order of this shop."""
    statement = sa.select(*_BRIEF).where(_orders.c.id == order_id, _orders.c.shop_id == shop_id)
    return await first_row(db, statement)


async def order_by(db: AsyncSession, which: Mapping[str, UUID]) -> sa.RowMapping | None:
    """One order that has these column values."""
    mine = [_orders.c[name] == value for name, value in which.items()]
    return await first_row(db, sa.select(*_BRIEF).where(*mine))


async def order_with_address(db: AsyncSession, which: dict[str, Any]) -> sa.RowMapping | None:
    """One order with where it goes; no recipient once the buyer's personal data was erased."""
    values = {f"of_{name}": value for name, value in which.items()}
    return await first_row(db, _with_address(*which), values)


@cache
def _with_address(*names: str) -> sa.Select[Any]:
    """Built once: every answer about an order runs it."""
    goes_to = [c for c in _addresses.c if c.name != "order_id"]
    given = ((_orders.c[name], f"of_{name}") for name in names)
    return (
        sa.select(*_BRIEF, *goes_to)
        .outerjoin(_addresses, _addresses.c.order_id == _orders.c.id)
        .where(*(column == sa.bindparam(name, type_=column.type) for column, name in given))
    )


async def lines_of(db: AsyncSession, order_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """The lines of orders, in their order."""
    wanted = told(db, _WANTED, [{"id": order_id} for order_id in order_ids])
    statement = _lines_of(on_postgresql=is_postgresql(db))
    return await all_rows(db, statement, {"wanted": wanted})


@cache
def _lines_of(*, on_postgresql: bool) -> sa.Select[Any]:
    wanted = given_later("wanted", _WANTED, on_postgresql=on_postgresql)
    return (
        sa.select(_lines)
        .where(_lines.c.order_id.in_(sa.select(wanted.c.id)))
        .order_by(_lines.c.order_id, _lines.c.position)
    )


async def list_of(
    db: AsyncSession, which: dict[str, Any], after: UUID | None, limit: int
) -> Sequence[sa.RowMapping]:
    """Orders that have these column values, newest first, from an id on."""
    statement = sa.select(*_BRIEF).where(*(_orders.c[k] == v for k, v in which.items()))
    if after is not None:
        statement = statement.where(_orders.c.id < after)
    return await all_rows(db, statement.order_by(_orders.c.id.desc()).limit(limit))


async def mark_paid(
    db: AsyncSession, order_id: UUID, *, origin: OrderStatus, paid_at: datetime, now: datetime
) -> sa.RowMapping | None:
    """The money is here; an order without a group is confirmed by that."""
    values = {"of_order": order_id, "origin": origin, "at": paid_at, "now": now}
    return await first_row(db, _mark_paid, values)


def _marking_paid() -> sa.Executable:
    c, alone = _orders.c, _orders.c.group_id.is_(None)
    now, paid_at = (sa.bindparam(name, type_=c.paid_at.type) for name in ("now", "at"))
    mine = sa.bindparam("of_order", type_=c.id.type)
    return (
        sa.update(_orders)
        .where(
            c.id == mine,
            c.status == sa.bindparam("origin", type_=c.status.type),
        )
        .values(
            status=OrderStatus.PAID,
            paid_at=paid_at,
            ended_at=None,
            confirmed_at=sa.case((alone, now)),
            fulfilment=sa.case((alone, Fulfilment.FULFILLING.value), else_=Fulfilment.NONE.value),
        )
        .returning(*_BRIEF, _has_partners(_lines.c.order_id == mine))
    )


_mark_paid = _marking_paid()


async def confirm_group(
    db: AsyncSession, order_ids: Sequence[UUID], *, now: datetime
) -> Sequence[sa.RowMapping]:
    """Confirm the paid orders of a group that has succeeded."""
    statement = (
        sa.update(_orders)
        .where(
            _orders.c.id.in_(order_ids),
            _orders.c.status == OrderStatus.PAID,
            _orders.c.confirmed_at.is_(None),
        )
        .values(confirmed_at=now, fulfilment=Fulfilment.FULFILLING)
        .returning(*_BRIEF, _has_partners(_lines.c.order_id.in_(order_ids)))
    )
    return await all_rows(db, statement)


async def set_rebates(db: AsyncSession, units: Mapping[UUID, int]) -> None:
    """Note on orders' lines what each unit of them has earned back."""
    columns: dict[str, sa.types.TypeEngine[Any]] = {
        "order_id": sa.Uuid(),
        "amount": sa.BigInteger(),
    }
    rows = [{"order_id": order_id, "amount": amount} for order_id, amount in units.items()]
    earned = given(db, "earned", columns, rows)
    await db.execute(
        sa.update(_lines)
        .where(_lines.c.order_id == earned.c.order_id)
        .values(unit_rebate_amount=earned.c.amount)
    )


async def end(
    db: AsyncSession,
    order_ids: Sequence[UUID],
    *,
    origin: OrderStatus,
    target: OrderStatus,
    now: datetime,
    refund_due_reason: str | None = None,
) -> Sequence[sa.RowMapping]:
    """End unconfirmed orders that are in the named state; those that moved on are left alone."""
    statement = (
        sa.update(_orders)
        .where(
            _orders.c.id.in_(order_ids),
            _orders.c.status == origin,
            _orders.c.confirmed_at.is_(None),
        )
        .values(status=target, ended_at=now, refund_due_reason=refund_due_reason)
        .returning(*_BRIEF)
    )
    return await all_rows(db, statement)


async def owe_back(db: AsyncSession, order_id: UUID, reason: str) -> sa.RowMapping | None:
    """Note once that all money of an ended order has to go back."""
    statement = (
        sa.update(_orders)
        .where(_orders.c.id == order_id, _orders.c.refund_due_reason.is_(None))
        .values(refund_due_reason=reason)
        .returning(*_BRIEF)
    )
    return await first_row(db, statement)


async def due(
    db: AsyncSession, now: datetime, after: tuple[datetime, UUID] | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Placed orders whose time to pay is over, the longest overdue first, from a place on."""
    key = (_orders.c.expires_at, _orders.c.id)
    statement = sa.select(*_BRIEF).where(
        _orders.c.status == OrderStatus.PLACED, _orders.c.expires_at <= now
    )
    if after is not None:
        statement = statement.where(beyond(key, after, descending=False))
    return await all_rows(db, statement.order_by(*key).limit(rows_max))


async def hold_with_kept(db: AsyncSession, which: dict[str, Any]) -> int | None:
    """Take an order's lock, then count its units that were not refunded; `None` for no order."""
    mine = [_orders.c[k] == v for k, v in which.items()]
    lock = sa.update(_orders).where(*mine).values(refunded_amount=_orders.c.refunded_amount)
    if not await changed(db, lock):
        return None
    kept = sa.select(sa.func.sum(_lines.c.quantity - _lines.c.refunded_quantity)).where(
        _lines.c.order_id == which["id"]
    )
    return int((await db.execute(kept)).scalar_one())


async def move_fulfilment(
    db: AsyncSession,
    which: dict[str, Any],
    *,
    origin: Fulfilment,
    target: Fulfilment,
    values: dict[str, Any],
) -> sa.RowMapping | None:
    """Move the goods of a confirmed, kept order one step on; none leave while it is disputed."""
    leaves = origin is Fulfilment.FULFILLING
    statement = (
        sa.update(_orders)
        .where(
            *(_orders.c[k] == v for k, v in which.items()),
            _orders.c.status == OrderStatus.PAID,
            _orders.c.confirmed_at.is_not(None),
            _orders.c.refund_due_reason.is_(None),
            _orders.c.fulfilment == origin,
            *((_orders.c.dispute != OrderDispute.OPEN,) if leaves else ()),
        )
        .values(fulfilment=target, **values)
        .returning(*_BRIEF)
    )
    return await first_row(db, statement)


async def hold(db: AsyncSession, order_id: UUID) -> sa.RowMapping:
    """Take the order's lock by writing it; the row as it then stands."""
    statement = (
        sa.update(_orders)
        .where(_orders.c.id == order_id)
        .values(refunded_amount=_orders.c.refunded_amount)
        .returning(*_BRIEF)
    )
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def add_refunded(
    db: AsyncSession, order_id: UUID, amount: int, *, at: datetime
) -> sa.RowMapping:
    """Count money that came back; the derived columns follow in the same statement.

    A paid order closes when everything is back, unless its buyer keeps goods: a leader may get as
    much back as was paid. One that had ended stays as it ended.
    """
    total = _orders.c.refunded_amount + amount
    is_full = total >= _orders.c.total_amount
    kept = sa.exists().where(
        _lines.c.order_id == _orders.c.id, _lines.c.refunded_quantity < _lines.c.quantity
    )
    closes = sa.and_(is_full, _orders.c.status == OrderStatus.PAID, ~kept)
    statement = (
        sa.update(_orders)
        .where(_orders.c.id == order_id)
        .values(
            refunded_amount=total,
            refund=sa.case((is_full, RefundShare.FULL.value), else_=RefundShare.PARTLY.value),
            status=sa.case((closes, OrderStatus.CLOSED.value), else_=_orders.c.status),
            ended_at=sa.case(
                (closes, sa.literal(at, _orders.c.ended_at.type)), else_=_orders.c.ended_at
            ),
        )
        .returning(*_BRIEF, _has_partners(_lines.c.order_id == order_id))
    )
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def take_back_refunded(
    db: AsyncSession, order_id: UUID, amount: int, *, may_reopen: bool
) -> sa.RowMapping:
    """Count money that has bounced; an order that had no other end than that may be open again."""
    c = _orders.c
    total = c.refunded_amount - amount
    was_full = c.refunded_amount == c.total_amount
    ended_by_it = sa.and_(c.status == OrderStatus.CLOSED, c.refund_due_reason.is_(None), was_full)
    reopens = ended_by_it if may_reopen else sa.false()
    values = {
        "refunded_amount": total,
        "refund": sa.case((total == 0, RefundShare.NONE.value), else_=RefundShare.PARTLY.value),
        "status": sa.case((reopens, OrderStatus.PAID.value), else_=c.status),
        "ended_at": sa.case((reopens, None), else_=c.ended_at),
    }
    statement = sa.update(_orders).where(c.id == order_id).values(**values).returning(*_BRIEF)
    row: sa.RowMapping = (await db.execute(statement)).mappings().one()
    return row


async def set_dispute(db: AsyncSession, order_id: UUID, dispute: OrderDispute) -> None:
    """Note how an order's payment stands with the banks."""
    await db.execute(sa.update(_orders).where(_orders.c.id == order_id).values(dispute=dispute))
