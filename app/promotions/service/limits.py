"""Limits: what is left of a promotion, taken when an order is placed, given back when it ends.

Counted on orders that are placed, not on those that are paid: what an unpaid order holds is free
again when it is cancelled or expires. After the payment a refund gives no use back.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.promotions.errors import CouponTaken, LimitBelowTaken, PromotionUsedUp
from app.promotions.pricing.terms import Left
from app.promotions.repository import coupons, quotas
from app.promotions.repository.quotas import COUPON_SLOT, MEMBER_SLOT, Standing

_USES, _BUDGET, _TIER = "uses", "budget", "tier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an operator limits of a promotion, `tier_units` by tier of an add-on; None: nothing."""

    uses_max: int | None = None
    member_uses_max: int | None = None
    budget_amount: int | None = None
    tier_units: tuple[int | None, ...] = ()

    @classmethod
    def of(cls, limits: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """The limits of a promotion as it is stored, those in the tiers of its rule too."""
        tiers = rule.get("tiers", ())
        return cls(
            uses_max=limits.get("uses_max"),
            member_uses_max=limits.get("member_uses_max"),
            budget_amount=limits.get("budget_amount"),
            tier_units=tuple(tier.get("quota_units") for tier in tiers),
        )

    @property
    def are_none(self) -> bool:
        """Whether the promotion touches no counter."""
        return self.member_uses_max is None and not self.slots()

    def slots(self) -> dict[str, int]:
        """The limit of each slot that has one."""
        slots = {_USES: self.uses_max, _BUDGET: self.budget_amount}
        slots |= {_tier(place): units for place, units in enumerate(self.tier_units)}
        return {slot: limit for slot, limit in slots.items() if limit is not None}

    def left(self, standing: Mapping[str, int]) -> Left:
        """What the engine may still give, of what is left by slot and the member's own uses."""
        member_uses = self.member_uses_max
        if member_uses is not None:
            member_uses -= standing.get(MEMBER_SLOT, 0)
        return Left(
            uses=standing.get(_USES),
            member_uses=member_uses,
            budget_amount=standing.get(_BUDGET),
            tier_units=tuple(standing.get(_tier(n)) for n in range(len(self.tier_units))),
        )


def _tier(place: int) -> str:
    return f"{_TIER}:{place}"


@dataclass(frozen=True, slots=True)
class Use:
    """What an order takes of a limited promotion; `tier_units` are add-on units by tier."""

    promotion_id: UUID
    limits: Limits
    saved_amount: int
    tier_units: Mapping[int, int]

    def amounts(self) -> dict[str, int]:
        """What it takes of each slot that has a limit."""
        wanted = {_USES: 1, _BUDGET: self.saved_amount}
        wanted |= {_tier(place): units for place, units in self.tier_units.items()}
        limited = self.limits.slots()
        return {slot: amount for slot, amount in wanted.items() if amount and slot in limited}


@dataclass(frozen=True, slots=True)
class CouponUse:
    """The coupon an order is placed with; a shared one has room for any number of orders."""

    coupon_id: UUID
    promotion_id: UUID
    is_shared: bool


async def keep(
    db: AsyncSession, promotion_id: UUID, limits: Mapping[str, Any], tiers: Sequence[int | None]
) -> None:
    """Give a promotion these limits and add-on quotas, by one statement.

    What was taken stays counted; a limit below it is refused. One that was never there counts from
    now on.
    """
    rule = {"tiers": [{"quota_units": units} for units in tiers]}
    wanted = Limits.of(limits, rule).slots()
    refused = await quotas.keep(db, promotion_id, wanted)
    if refused:
        raise LimitBelowTaken(promotion_id=str(promotion_id), slots=sorted(refused))


async def standing(
    db: AsyncSession, limits: Mapping[UUID, Limits], member_id: UUID | None
) -> dict[UUID, Left]:
    """What is left of limited promotions for this member; no statement where nothing is limited."""
    if not limits:
        return {}
    by_promotion: dict[UUID, dict[str, int]] = {promotion_id: {} for promotion_id in limits}
    row: Standing
    for row in await quotas.standing(db, limits.keys(), member_id):
        by_promotion[row.promotion_id][row.slot] = row.amount
    return {id_: limits[id_].left(slots) for id_, slots in by_promotion.items()}


async def reserve(
    db: AsyncSession,
    *,
    order_id: UUID,
    member_id: UUID,
    uses: Sequence[Use],
    coupon_uses: Sequence[CouponUse] = (),
) -> None:
    """Take what an order uses of limited promotions and its coupon: all of it, or a refusal.

    A refusal leaves what was taken before it to be rolled back by the caller.
    """
    rows = [
        {"promotion_id": use.promotion_id, "slot": slot, "amount": amount}
        for use in uses
        for slot, amount in use.amounts().items()
    ]
    counted = await _take(db, rows)
    turns = {u.promotion_id: u.limits.member_uses_max for u in uses}
    turns = {id_: most for id_, most in turns.items() if most is not None}
    await _take_turns(db, member_id, turns)
    await _take_coupons(db, order_id, member_id, coupon_uses)
    taken = [row for row in rows if (row["promotion_id"], row["slot"]) in counted]
    taken += [{"promotion_id": id_, "slot": MEMBER_SLOT, "amount": 1} for id_ in turns]
    noted = [{**row, "coupon_id": None} for row in taken]
    noted += [
        {
            "promotion_id": use.promotion_id,
            "slot": COUPON_SLOT,
            "amount": 1,
            "coupon_id": use.coupon_id,
        }
        for use in coupon_uses
    ]
    if noted:
        of_order = {"order_id": order_id, "member_id": member_id, "released_at": None}
        await quotas.note_uses(db, [{**row, **of_order} for row in noted])


async def _take(db: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> set[tuple[UUID, str]]:
    if not rows:
        return set()
    counted = await quotas.take(db, rows)
    if not counted:
        for short in await quotas.short_of(db, rows):
            raise PromotionUsedUp(promotion_id=str(short["promotion_id"]), limit=short["slot"])
    return counted


async def _take_turns(
    db: AsyncSession, member_id: UUID, uses_max: Mapping[UUID, int | None]
) -> None:
    if not uses_max:
        return
    refused = uses_max.keys() - await quotas.take_turn(db, member_id, uses_max)
    if refused:
        raise PromotionUsedUp(promotion_id=str(min(refused)), limit=MEMBER_SLOT)


async def _take_coupons(
    db: AsyncSession, order_id: UUID, member_id: UUID, uses: Sequence[CouponUse]
) -> None:
    own = {use.coupon_id for use in uses if not use.is_shared}
    if own:
        lost = own - await coupons.reserve(db, order_id, member_id, own)
        if lost:
            raise CouponTaken(coupon_id=str(min(lost)))


async def release(db: AsyncSession, order_ids: Collection[UUID], *, now: datetime) -> None:
    """Give back what orders took, exactly once however often it is asked for."""
    if not order_ids:
        return
    rows = await quotas.release_uses(db, order_ids, now=now)
    slots, turns, coupon_ids = _by_kind(rows)
    if slots and await quotas.give_back(db, slots) < len(slots):
        raise RuntimeError("a use of a promotion was counted that has no counter")
    if turns and await quotas.give_turns_back(db, turns) < len(turns):
        raise RuntimeError("a member's use of a promotion was counted that has no counter")
    if coupon_ids:
        await coupons.release(db, coupon_ids, order_ids)


async def retake(db: AsyncSession, order_id: UUID, member_id: UUID) -> None:
    """Take again what an expired order gave back, for a payment that came late; or a refusal."""
    rows = await quotas.renew_uses(db, order_id)
    slots, turns, coupon_ids = _by_kind(rows)
    await _take(db, slots)
    if turns:
        limits = await quotas.limits_of(db, {row["promotion_id"] for row in turns})
        uses_max = {id_: stored.get("member_uses_max") for id_, stored in limits.items()}
        await _take_turns(db, member_id, uses_max)
    if coupon_ids:
        lost = coupon_ids - await coupons.reserve(db, order_id, member_id, coupon_ids)
        if lost - await coupons.shared_of(db, lost):
            raise CouponTaken(coupon_id=str(min(lost)))


_Amounts = list[dict[str, Any]]


def _by_kind(rows: Sequence[sa.RowMapping]) -> tuple[_Amounts, _Amounts, set[UUID]]:
    """Amounts by slot, uses by member, and coupons; summed, as orders may share a slot."""
    slots: Counter[tuple[UUID, str]] = Counter()
    turns: Counter[tuple[UUID, UUID]] = Counter()
    coupon_ids: set[UUID] = set()
    for row in rows:
        if row["slot"] == COUPON_SLOT:
            coupon_ids.add(row["coupon_id"])
        elif row["slot"] == MEMBER_SLOT:
            turns[row["promotion_id"], row["member_id"]] += row["amount"]
        else:
            slots[row["promotion_id"], row["slot"]] += row["amount"]
    return (
        [{"promotion_id": p, "slot": slot, "amount": n} for (p, slot), n in slots.items()],
        [{"promotion_id": p, "member_id": m, "amount": n} for (p, m), n in turns.items()],
        coupon_ids,
    )
