"""What a refund comes to, and why: worked out alike before it is confirmed and when it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import RefundPolicy
from app.core.errors import NotFound
from app.orders.errors import OrderNotConfirmed
from app.orders.models import LineOrigin
from app.orders.repository import after_sales
from app.orders.repository import orders as repository
from app.orders.repository import parts as parts_repository
from app.orders.rules import (
    OF_THE_SHOP,
    LineLeft,
    RefundPart,
    part_for_shipping,
    parts_for_amount,
    parts_for_units,
    repriced,
    shares_left,
)
from app.orders.service.reprice import Lost, price_kept


class Why(StrEnum):
    """How a refund's amount was found; the last three are what `reprice` falls back from."""

    FROZEN_SHARES = "frozen_shares"
    REPRICED = "repriced"
    EVERYTHING = "everything_left"
    AMOUNT = "amount_asked_for"
    GROUP_ORDER = "group_order"
    NOT_PRICEABLE = "not_priceable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWish:
    """Units by line and shipping, or an amount, or (none of them) all that is left.

    `reference` is the shop's own, kept apart from others by `prefix`. `restock` puts refunded units
    that have not left the house up for sale again. What is `expected` is what the asker was shown:
    the refund's amount, and the sum of all refunds decided before.
    """

    units: Mapping[UUID, int] | None = None
    amount: int | None = None
    shipping_amount: int | None = None
    reason: str = ""
    reference: str = ""
    prefix: str = OF_THE_SHOP
    restock: bool = False
    expected_amount: int | None = None
    expected_refunded_amount: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A refund before it is decided; `decided_amount` is the sum of those decided before.

    `share_amount` is what the units' frozen shares come to. What of it is withheld, because the
    rest costs more without them, comes back when the rest goes back; below zero it does now.
    """

    policy: RefundPolicy
    why: Why
    currency: str
    parts: Sequence[RefundPart]
    lost: Sequence[Lost]
    decided_amount: int

    @property
    def amount(self) -> int:
        """What is paid back."""
        return sum(part.amount for part in self.parts)

    @property
    def shipping_amount(self) -> int:
        """What of it is for the shipping."""
        return sum(part.amount for part in self.parts if part.line_id is None)

    @property
    def withheld_amount(self) -> int:
        """What the units' shares come to beyond what is paid for them."""
        return sum(part.withheld_amount for part in self.parts)

    @property
    def share_amount(self) -> int:
        """What the units' frozen shares come to."""
        return self.amount - self.shipping_amount + self.withheld_amount


async def preview(db: AsyncSession, which: Mapping[str, UUID], wish: RefundWish) -> Plan:
    """What a refund of a confirmed order of this shop or member would come to now."""
    row = await repository.order_by(db, which)
    if row is None:
        raise NotFound
    if row["confirmed_at"] is None:
        raise OrderNotConfirmed(status=row["status"])
    return await planned(db, row, wish)


async def planned(db: AsyncSession, row: sa.RowMapping, wish: RefundWish) -> Plan:
    """Work a refund out from the order as it stands; nothing is written.

    Raises `RefundExceedsLine`, `RefundExceedsShipping`, `RefundExceedsPayment` or, where nothing
    is left at all, `NothingToRefund`.
    """
    lines = await repository.lines_of(db, [row["id"]])
    left = lines_left(lines)
    shipped_back = await parts_repository.shipping_refunded(db, row["id"])
    shipping_left = row["shipping_amount"] - shipped_back
    decided = sum(line["refunded_amount"] for line in lines) + shipped_back
    policy, currency = row["refund_policy"], row["currency"]
    if wish.units is None and wish.shipping_amount is None:
        parts = parts_for_amount(left, shipping_left, wish.amount)
        why = Why.EVERYTHING if wish.amount is None else Why.AMOUNT
        return Plan(policy, why, currency, parts, (), decided)
    shipping = part_for_shipping(shipping_left, wish.shipping_amount or 0)
    parts = parts_for_units(left, wish.units or {})
    found = Plan(policy, Why.FROZEN_SHARES, currency, parts, (), decided)
    if wish.units and policy is RefundPolicy.REPRICE:
        found = await _repriced(db, row, lines, found)
    return replace(found, parts=[*found.parts, *shipping])


async def all_units(db: AsyncSession, row: sa.RowMapping) -> tuple[dict[UUID, int], int]:
    """The units of an order that were not refunded, by line, and the shipping that was not."""
    lines = lines_left(await repository.lines_of(db, [row["id"]]))
    kept = {line.line_id: len(line.share_amounts) for line in lines if line.share_amounts}
    shipped_back = await parts_repository.shipping_refunded(db, row["id"])
    return kept, row["shipping_amount"] - shipped_back


async def _repriced(
    db: AsyncSession, row: sa.RowMapping, lines: Sequence[sa.RowMapping], plan: Plan
) -> Plan:
    """Units pay their shares, less what the kept goods cost more without them than theirs."""
    if row["group_id"] is not None:
        return replace(plan, why=Why.GROUP_ORDER)
    back = {part.line_id: part for part in plan.parts}
    left = {line.line_id: line for line in lines_left(lines)}
    quantities = {id_: back[id_].quantity if id_ in back else 0 for id_ in left}
    kept = {id_: len(line.share_amounts) - quantities[id_] for id_, line in left.items()}
    shares = {id_: sum(line.share_amounts[quantities[id_] :]) for id_, line in left.items()}
    extra, lost = 0, list[Lost]()
    if any(kept[line["id"]] for line in lines if line["origin"] is not LineOrigin.GIFT):
        priced = await price_kept(db, row, lines, kept)
        if priced is None:
            return replace(plan, why=Why.NOT_PRICEABLE)
        extra, lost = max(priced.amount - sum(shares.values()), 0), list(priced.lost)
    slack = {
        id_: max(line.left_amount - shares[id_] - (back[id_].amount if id_ in back else 0), 0)
        for id_, line in left.items()
    }
    delta = extra - await after_sales.withheld(db, row["id"])
    parts = repriced(plan.parts, slack, delta)
    return replace(plan, why=Why.REPRICED, parts=parts, lost=lost)


def lines_left(lines: Sequence[sa.RowMapping]) -> list[LineLeft]:
    """What the lines of an order may still pay back."""
    return [
        LineLeft(
            line_id=row["id"],
            variant_id=row["variant_id"],
            share_amounts=shares_left(
                row["unit_shares"], row["refunded_quantity"], row["unit_rebate_amount"]
            ),
            left_amount=row["payable_amount"] - row["refunded_amount"],
        )
        for row in lines
    ]
