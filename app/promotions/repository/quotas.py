"""All SQL of limits: taken by one conditional statement, given back exactly once.

Like stock, rows are locked on PostgreSQL in the order of their keys before anything is judged, and
judged by what the lock found. Every number is written, changed or not, as constraints are first
checked on the row as the statement saw it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sql import all_rows, given_later, is_postgresql, table, told, upsert
from app.promotions.models import (
    Promotion,
    PromotionMemberUse,
    PromotionQuota,
    PromotionUse,
)

MEMBER_SLOT, COUPON_SLOT = "member", "coupon"

_promotions = table(Promotion)
_quotas = table(PromotionQuota)
_members = table(PromotionMemberUse)
_uses = table(PromotionUse)

Columns = Mapping[str, sa.types.TypeEngine[Any]]
Rows = Sequence[Mapping[str, Any]]
_UUID, _TEXT, _NUMBER = sa.Uuid(), sa.Text(), sa.BigInteger()
_SLOTS: Columns = {"slot": _TEXT, "limit_amount": _NUMBER}
_AMOUNTS: Columns = {"promotion_id": _UUID, "slot": _TEXT, "amount": _NUMBER}
_COUNTS: Columns = {"promotion_id": _UUID, "uses_max": _NUMBER}
_TURNS: Columns = {"promotion_id": _UUID, "member_id": _UUID, "amount": _NUMBER}
_IDS: Columns = {"id": _UUID}


@cache
def _keep(*, on_postgresql: bool) -> sa.Select[Any]:
    """The slots as they shall be, and no limit for any other that the promotion has had."""
    wanted = given_later("wanted", _SLOTS, on_postgresql=on_postgresql)
    of = sa.bindparam("of_promotion", type_=_UUID)
    limited = sa.select(
        of.label("promotion_id"), wanted.c.slot, wanted.c.limit_amount, sa.literal(0)
    )
    freed = sa.select(
        _quotas.c.promotion_id, _quotas.c.slot, sa.null(), _quotas.c.taken_amount
    ).where(_quotas.c.promotion_id == of, _quotas.c.slot.not_in(sa.select(wanted.c.slot)))
    rows = sa.union_all(limited, freed).subquery("rows")
    return sa.select(rows).where(sa.true()).order_by(rows.c.slot)


async def keep(db: AsyncSession, promotion_id: UUID, limits: Mapping[str, int]) -> set[str]:
    """Give a promotion exactly these limits by slot; the slots that would be below their taking."""
    rows = [{"slot": slot, "limit_amount": amount} for slot, amount in limits.items()]
    insert = upsert(db, _quotas).from_select(
        ["promotion_id", "slot", "limit_amount", "taken_amount"],
        _keep(on_postgresql=is_postgresql(db)),
    )
    wanted_limit = insert.excluded.limit_amount
    statement = insert.on_conflict_do_update(
        index_elements=["promotion_id", "slot"],
        set_={"limit_amount": wanted_limit},
        where=sa.or_(wanted_limit.is_(None), _quotas.c.taken_amount <= wanted_limit),
    ).returning(_quotas.c.slot)
    values = {"of_promotion": promotion_id, "wanted": told(db, _SLOTS, rows)}
    kept = (await db.execute(statement, values)).scalars().all()
    return set(limits) - set(kept)


class Standing(NamedTuple):
    """What a slot has left, or how often the member has had its turn."""

    promotion_id: UUID
    slot: str
    amount: int


@cache
def _standing(*, on_postgresql: bool) -> sa.CompoundSelect[Any]:
    wanted = given_later("wanted", _IDS, on_postgresql=on_postgresql)
    ids = sa.select(wanted.c.id)
    left = sa.select(
        _quotas.c.promotion_id,
        _quotas.c.slot,
        (_quotas.c.limit_amount - _quotas.c.taken_amount).label("amount"),
    ).where(_quotas.c.promotion_id.in_(ids), _quotas.c.limit_amount.is_not(None))
    turns = sa.select(_members.c.promotion_id, sa.literal(MEMBER_SLOT), _members.c.uses).where(
        _members.c.promotion_id.in_(ids),
        _members.c.member_id == sa.bindparam("of_member", type_=_UUID),
    )
    return sa.union_all(left, turns)


async def standing(
    db: AsyncSession, promotion_ids: Collection[UUID], member_id: UUID | None
) -> Sequence[Standing]:
    """What is left of each limited slot of the promotions, and the member's own uses of them."""
    wanted = told(db, _IDS, [{"id": promotion_id} for promotion_id in promotion_ids])
    statement = _standing(on_postgresql=is_postgresql(db))
    result = await db.execute(statement, {"wanted": wanted, "of_member": member_id})
    return [Standing(*row) for row in result]


@cache
def _take(*, on_postgresql: bool) -> sa.Executable:
    """Built once: every order under a limit runs it."""
    held = _held(_quotas, _AMOUNTS, on_postgresql=on_postgresql)
    after = held.c.taken_amount + held.c.amount
    short = sa.select(sa.func.count()).where(after > held.c.limit_amount).scalar_subquery()
    return (
        sa.update(_quotas)
        .where(_is(_quotas, held), short == 0)
        .values(limit_amount=held.c.limit_amount, taken_amount=after)
        .returning(_quotas.c.promotion_id, _quotas.c.slot)
    )


def _held(kept: sa.Table, columns: Columns, *, on_postgresql: bool) -> sa.CTE:
    """The caller's amounts beside the rows they are about, locked in the order of their keys."""
    wanted = given_later("wanted", columns, on_postgresql=on_postgresql)
    return (
        sa.select(kept, wanted.c.amount)
        .join(wanted, _is(kept, wanted))
        .order_by(*kept.primary_key.columns)
        .with_for_update(key_share=True, of=kept)
        .cte("held")
    )


def _is(kept: sa.Table, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == other.c[column.name] for column in kept.primary_key.columns))


async def take(db: AsyncSession, rows: Rows) -> set[tuple[UUID, str]]:
    """Take amounts of all these slots or of none; those that are counted, where that was done."""
    values = {"wanted": told(db, _AMOUNTS, rows)}
    done = await db.execute(_take(on_postgresql=is_postgresql(db)), values)
    return {(row.promotion_id, row.slot) for row in done}


async def short_of(db: AsyncSession, rows: Rows) -> Sequence[sa.RowMapping]:
    """Which of these slots have too little left; after a refused `take` it holds their rows."""
    wanted = given_later("wanted", _AMOUNTS, on_postgresql=is_postgresql(db))
    statement = (
        sa.select(_quotas.c.promotion_id, _quotas.c.slot)
        .join(wanted, _is(_quotas, wanted))
        .where(_quotas.c.taken_amount + wanted.c.amount > _quotas.c.limit_amount)
        .order_by(*_quotas.primary_key.columns)
    )
    return await all_rows(db, statement, {"wanted": told(db, _AMOUNTS, rows)})


@cache
def _turns(*, on_postgresql: bool) -> tuple[sa.Select[Any], sa.ScalarSelect[int]]:
    wanted = given_later("wanted", _COUNTS, on_postgresql=on_postgresql)
    member_id = sa.bindparam("of_member", type_=_UUID)
    rows = (
        sa.select(wanted.c.promotion_id, member_id.label("member_id"), sa.literal(1))
        .where(sa.true())
        .order_by(wanted.c.promotion_id)
    )
    allowed = given_later("allowed", _COUNTS, on_postgresql=on_postgresql)
    # By its name alone, as the counters must not be listed in the subquery once more.
    this = sa.literal_column("excluded.promotion_id", _UUID)
    uses_max = sa.select(allowed.c.uses_max).where(allowed.c.promotion_id == this)
    return rows, uses_max.scalar_subquery()


async def take_turn(
    db: AsyncSession, member_id: UUID, uses_max: Mapping[UUID, int | None]
) -> set[UUID]:
    """Count one use of each promotion for a member; the promotions that had one left for it."""
    rows, allowed = _turns(on_postgresql=is_postgresql(db))
    insert = upsert(db, _members).from_select(["promotion_id", "member_id", "uses"], rows)
    statement = insert.on_conflict_do_update(
        index_elements=["promotion_id", "member_id"],
        set_={"uses": _members.c.uses + 1},
        where=sa.func.coalesce(_members.c.uses < allowed, sa.true()),
    ).returning(_members.c.promotion_id)
    counts = [{"promotion_id": id_, "uses_max": most} for id_, most in uses_max.items()]
    text = told(db, _COUNTS, counts)
    values = {"wanted": text, "allowed": text, "of_member": member_id}
    return set((await db.execute(statement, values)).scalars())


async def note_uses(db: AsyncSession, rows: Rows) -> None:
    """Keep what an order took, for the day it is given back."""
    await db.execute(sa.insert(_uses), list(rows))


async def release_uses(
    db: AsyncSession, order_ids: Collection[UUID], *, now: datetime
) -> Sequence[sa.RowMapping]:
    """Mark everything the orders took as given back; only what no rival has marked before."""
    wanted = told(db, _IDS, [{"id": order_id} for order_id in order_ids])
    statement = _release(on_postgresql=is_postgresql(db))
    return await all_rows(db, statement, {"wanted": wanted, "now": now})


@cache
def _release(*, on_postgresql: bool) -> sa.Executable:
    wanted = given_later("wanted", _IDS, on_postgresql=on_postgresql)
    return (
        sa.update(_uses)
        .where(_uses.c.order_id.in_(sa.select(wanted.c.id)), _uses.c.released_at.is_(None))
        .values(released_at=sa.bindparam("now", type_=_uses.c.released_at.type))
        .returning(_uses)
    )


async def renew_uses(db: AsyncSession, order_id: UUID) -> Sequence[sa.RowMapping]:
    """Mark what an order gave back as taken again; the caller takes it or undoes this."""
    statement = (
        sa.update(_uses)
        .where(_uses.c.order_id == order_id, _uses.c.released_at.is_not(None))
        .values(released_at=None)
        .returning(_uses)
    )
    return await all_rows(db, statement)


@cache
def _give_back(*, on_postgresql: bool) -> sa.Executable:
    held = _held(_quotas, _AMOUNTS, on_postgresql=on_postgresql)
    return (
        sa.update(_quotas)
        .where(_is(_quotas, held))
        .values(limit_amount=held.c.limit_amount, taken_amount=held.c.taken_amount - held.c.amount)
        .returning(_quotas.c.slot)
    )


async def give_back(db: AsyncSession, rows: Rows) -> int:
    """Return amounts to their slots; how many slots there were."""
    values = {"wanted": told(db, _AMOUNTS, rows)}
    done = await db.execute(_give_back(on_postgresql=is_postgresql(db)), values)
    return len(done.all())


@cache
def _give_turns_back(*, on_postgresql: bool) -> sa.Executable:
    held = _held(_members, _TURNS, on_postgresql=on_postgresql)
    return (
        sa.update(_members)
        .where(_is(_members, held))
        .values(uses=held.c.uses - held.c.amount)
        .returning(_members.c.member_id)
    )


async def give_turns_back(db: AsyncSession, rows: Rows) -> int:
    """Uncount uses of members; how many counters there were."""
    values = {"wanted": told(db, _TURNS, rows)}
    done = await db.execute(_give_turns_back(on_postgresql=is_postgresql(db)), values)
    return len(done.all())


async def limits_of(db: AsyncSession, promotion_ids: Collection[UUID]) -> Mapping[UUID, Any]:
    """The limits of promotions as their operators left them."""
    wanted = given_later("wanted", _IDS, on_postgresql=is_postgresql(db))
    statement = sa.select(_promotions.c.id, _promotions.c.limits).where(
        _promotions.c.id.in_(sa.select(wanted.c.id))
    )
    rows = [{"id": promotion_id} for promotion_id in promotion_ids]
    found = await db.execute(statement, {"wanted": told(db, _IDS, rows)})
    return {row.id: row.limits for row in found}
