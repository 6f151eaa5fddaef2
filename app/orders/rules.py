"""Pure decisions about orders: states, what is payable, how a refund is spread, replays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.catalog.rules import BasketGoods
from app.core.money import BASIS_POINTS, split
from app.orders.errors import (
    AfterSalesWindowOver,
    NothingToRefund,
    OrderIsClosed,
    OrderNotConfirmed,
    RefundExceedsLine,
    RefundExceedsShipping,
    WrongFulfilment,
)
from app.orders.models import (
    AfterSalesKind,
    AfterSalesReason,
    AfterSalesState,
    Fulfilment,
    OrderStatus,
)
from app.payments.errors import RefundExceedsPayment
from app.promotions.rules.baskets import Asked
from app.promotions.rules.trials import Pair, Stage, priced, priced_without

# Keeps the references that a shop makes up apart from those of refunds that the rules demand.
OF_THE_SHOP = "shop:"
OF_AFTER_SALES = "after_sales:"
# What the rules themselves owe a buyer: the whole of a payment, or what a group has earned back.
EVERYTHING, REBATE = "everything", "group_rebate"

STATUS_MOVES: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PLACED: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.EXPIRED}),
    OrderStatus.PAID: frozenset({OrderStatus.CLOSED}),
    # A payment that was under way when the time ran out lifts the order, if stock is still there.
    OrderStatus.EXPIRED: frozenset({OrderStatus.PAID}),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.CLOSED: frozenset(),
}
assert STATUS_MOVES.keys() == set(OrderStatus), "every state has a row"

FULFILMENT_MOVES: Mapping[Fulfilment, frozenset[Fulfilment]] = {
    Fulfilment.NONE: frozenset({Fulfilment.FULFILLING}),
    Fulfilment.FULFILLING: frozenset({Fulfilment.SHIPPED}),
    Fulfilment.SHIPPED: frozenset({Fulfilment.RECEIVED}),
    Fulfilment.RECEIVED: frozenset(),
}
assert FULFILMENT_MOVES.keys() == set(Fulfilment), "every state has a row"


AFTER_SALES_MOVES: Mapping[AfterSalesState, frozenset[AfterSalesState]] = {
    AfterSalesState.REQUESTED: frozenset(
        {
            AfterSalesState.RETURNING,
            AfterSalesState.AWAITING_APPROVAL,
            AfterSalesState.APPROVED,
            AfterSalesState.REJECTED,
            AfterSalesState.WITHDRAWN,
        }
    ),
    AfterSalesState.RETURNING: frozenset(
        {
            AfterSalesState.AWAITING_APPROVAL,
            AfterSalesState.APPROVED,
            AfterSalesState.REJECTED,
            AfterSalesState.WITHDRAWN,
        }
    ),
    # Where the second operator says no, the shop has to decide again.
    AfterSalesState.AWAITING_APPROVAL: frozenset(
        {AfterSalesState.APPROVED, AfterSalesState.REQUESTED}
    ),
    AfterSalesState.APPROVED: frozenset(),
    AfterSalesState.REJECTED: frozenset(),
    AfterSalesState.WITHDRAWN: frozenset(),
}
assert AFTER_SALES_MOVES.keys() == set(AfterSalesState), "every state has a row"


def after_sales_from(target: AfterSalesState) -> tuple[AfterSalesState, ...]:
    """The states from which a request may move to the target."""
    return tuple(state for state, targets in AFTER_SALES_MOVES.items() if target in targets)


def check_after_sales(
    order: Mapping[Any, Any],
    kind: AfterSalesKind,
    reason: AfterSalesReason,
    *,
    return_period: timedelta,
    now: datetime,
) -> None:
    """Refuse a request that comes too early or too late; `order` is the row as it stands.

    A change of mind has its days from the receipt on, a fault has until the order closes. Goods
    come back only once they were sent.
    """
    if order["status"] == OrderStatus.CLOSED:
        raise OrderIsClosed
    if order["status"] != OrderStatus.PAID or order["confirmed_at"] is None:
        raise OrderNotConfirmed(status=order["status"])
    is_sent = order["fulfilment"] in (Fulfilment.SHIPPED, Fulfilment.RECEIVED)
    if kind is AfterSalesKind.RETURN_AND_REFUND and not is_sent:
        raise WrongFulfilment(fulfilment=order["fulfilment"])
    received_at = order["received_at"]
    if reason is AfterSalesReason.CHANGED_MIND and received_at is not None:
        until = received_at + return_period
        if now > until:
            raise AfterSalesWindowOver(until=until.isoformat())


def is_of_people(reference: str) -> bool:
    """Whether somebody decided this refund, and not a rule."""
    return reference.startswith((OF_THE_SHOP, OF_AFTER_SALES))


def needs_second(above_amount: int | None, decided: Iterable[int], amount: int) -> bool:
    """Whether a refund, with those decided by people before it, comes to more than one may give."""
    return above_amount is not None and sum(decided) + amount > above_amount


def is_payable(status: OrderStatus, expires_at: datetime, now: datetime) -> bool:
    """Whether a new payment may begin; an expired hold refuses by itself, swept or not."""
    return status is OrderStatus.PLACED and now < expires_at


def summed_units(orders: Iterable[Mapping[str, int]]) -> dict[UUID, int]:
    """Units by variant over orders."""
    total: dict[UUID, int] = {}
    for units in orders:
        for variant_id, quantity in units.items():
            key = UUID(variant_id)
            total[key] = total.get(key, 0) + quantity
    return total


@dataclass(frozen=True, slots=True)
class LineLeft:
    """What a line may still pay back; `share_amounts` are the frozen shares of kept units."""

    line_id: UUID
    variant_id: UUID
    share_amounts: tuple[int, ...]
    left_amount: int


@dataclass(frozen=True, slots=True)
class RefundPart:
    """Money of a refund: for units of a line, on a line, or (no line) for the shipping."""

    line_id: UUID | None
    quantity: int
    amount: int
    withheld_amount: int = 0


def shares_left(
    runs: Sequence[Mapping[str, int]], refunded_quantity: int, unit_rebate_amount: int = 0
) -> tuple[int, ...]:
    """The frozen shares of the units that were not refunded, in order, less what each earned."""
    shares = tuple(run["amount"] - unit_rebate_amount for run in runs for _ in range(run["units"]))
    return shares[refunded_quantity:]


def parts_for_units(lines: Iterable[LineLeft], wanted: Mapping[UUID, int]) -> list[RefundPart]:
    """A refund of units: each unit's frozen share, less what was paid back on it before."""
    by_id = {line.line_id: line for line in lines}
    parts = []
    for line_id, quantity in wanted.items():
        line = by_id.get(line_id)
        if line is None or quantity > len(line.share_amounts):
            raise RefundExceedsLine(line_id=str(line_id))
        amount = min(sum(line.share_amounts[:quantity]), line.left_amount)
        parts.append(RefundPart(line_id, quantity, amount))
    return parts


def part_for_shipping(left_amount: int, amount: int) -> list[RefundPart]:
    """A refund of shipping; none for nothing. Raises `RefundExceedsShipping`."""
    if amount > left_amount:
        raise RefundExceedsShipping(left_amount=left_amount)
    return [RefundPart(None, 0, amount)] if amount else []


def repriced(
    parts: Sequence[RefundPart], left_amounts: Mapping[UUID, int], delta: int
) -> list[RefundPart]:
    """Units' parts, less what their going costs the rest; below zero it gives back.

    `left_amounts` is what each line may pay back besides. No part falls under zero, and no line
    pays more than it may: what cannot be withheld is not, and what cannot be given back stays.
    """
    if delta > 0:
        cut = split(min(delta, sum(part.amount for part in parts)), [p.amount for p in parts])
        return [
            RefundPart(p.line_id, p.quantity, p.amount - c, c)
            for p, c in zip(parts, cut, strict=True)
        ]
    line_ids = list(left_amounts)
    slack = [left_amounts[line_id] for line_id in line_ids]
    given = dict(zip(line_ids, split(min(-delta, sum(slack)), slack), strict=True))
    made = [
        RefundPart(p.line_id, p.quantity, p.amount + given[p.line_id], -given[p.line_id])
        for p in parts
        if p.line_id is not None
    ]
    named = {part.line_id for part in parts}
    return made + [RefundPart(i, 0, a, -a) for i, a in given.items() if a and i not in named]


def parts_for_amount(
    lines: Sequence[LineLeft], shipping_left_amount: int, amount: int | None
) -> list[RefundPart]:
    """A refund of money: spread over lines and shipping by what each may still pay back."""
    left = [line.left_amount for line in lines] + [shipping_left_amount]
    whole = sum(left)
    if whole == 0:
        raise NothingToRefund
    if amount is None or amount == whole:
        parts = [RefundPart(ln.line_id, len(ln.share_amounts), ln.left_amount) for ln in lines]
        parts.append(RefundPart(None, 0, shipping_left_amount))
    elif amount > whole:
        raise RefundExceedsPayment(left_amount=whole)
    else:
        shares = split(amount, left)
        parts = [RefundPart(ln.line_id, 0, s) for ln, s in zip(lines, shares, strict=False)]
        parts.append(RefundPart(None, 0, shares[-1]))
    return [part for part in parts if part.amount or part.quantity]


# -- what partner brands are owed


@dataclass(frozen=True, slots=True)
class LineKept:
    """What is left of a partner brand's line, and the brand's share of it."""

    brand_id: UUID
    share_bp: int
    kept_amount: int


def partner_shares(lines: Iterable[LineKept]) -> dict[UUID, int]:
    """What each brand is owed: of each line its share of what is kept, fractions left out."""
    owed: dict[UUID, int] = {}
    for line in lines:
        share_amount = line.kept_amount * line.share_bp // BASIS_POINTS
        owed[line.brand_id] = owed.get(line.brand_id, 0) + share_amount
    return owed


# -- replays: what a promotion would have done to past orders

REPLAYED_MAX = 500
DEAREST_MAX = 10


@dataclass(frozen=True, slots=True)
class PastOrder:
    """What was wanted by whom, at the prices of then; and what it came to."""

    id: UUID
    placed_at: datetime
    total_amount: int
    goods: BasketGoods
    asked: Asked


@dataclass(frozen=True, slots=True)
class Replayed:
    """A past order priced again; where the promotion did not apply, both prices are the same.

    `is_unlocked` says that it would have offered its add-ons: nobody was there to choose them.
    """

    order: PastOrder
    pair: Pair
    is_hit: bool
    is_unlocked: bool

    @property
    def cost_amount(self) -> int:
        """How much less the buyer would have paid; below zero where it displaces a better one."""
        return self.pair.without_promotion.pay_amount - self.pair.with_promotion.pay_amount


def replayed(stage: Stage, orders: Iterable[PastOrder]) -> list[Replayed]:
    """Each order priced at the moment it was placed; a second time only where the first says so."""
    return [_replayed(stage, order) for order in orders]


def _replayed(stage: Stage, order: PastOrder) -> Replayed:
    goods, asked, at = order.goods, order.asked, order.placed_at
    found = priced(stage, goods, asked, at=at)
    own = stage.promotion.id
    is_hit = own in found.used
    other = priced_without(stage, goods, asked, at=at) if is_hit else found
    items = found.quote.add_on_items
    is_unlocked = any(i.promotion_id == own and i.missing_amount == 0 for i in items)
    return Replayed(order, Pair(found, other), is_hit, is_unlocked)


def nearest_rank(amounts: Sequence[int], percent: int) -> int | None:
    """The amount that so many percent of them do not exceed."""
    ordered = sorted(amounts)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1] if ordered else None


def dearest(rows: Iterable[Replayed]) -> list[Replayed]:
    """Those that cost the shop most, the newest first among equals."""
    hits = [row for row in rows if row.is_hit]
    return sorted(hits, key=lambda row: (-row.cost_amount, -row.order.id.int))[:DEAREST_MAX]
