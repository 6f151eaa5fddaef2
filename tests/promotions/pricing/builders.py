"""Short ways to say a basket, a line, a buyer and a promotion; ids are small numbers as UUIDv7."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.promotions.pricing.add_on import AddOn, AddOnTier
from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import (
    AddOnChoice,
    Basket,
    BasketLine,
    Buyer,
    Coupon,
    ListPrice,
    PriceSetting,
)
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.engine import quote
from app.promotions.pricing.gift import Gift
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.percent_off_order import PercentOffOrder
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param
from app.promotions.pricing.shipping import FreeShipping, ShippingOff
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier

NOW = datetime(2025, 6, 18, 4, 0, tzinfo=UTC)
ANYONE = Buyer(paid_orders=0, tags=frozenset(), community_ids=frozenset())


def uid(number: int) -> UUID:
    """A valid UUIDv7 whose order is the order of the numbers."""
    return UUID(int=(0x7 << 76) | (0b10 << 62) | number)


def line(variant: int, quantity: int = 1, list_amount: int = 5000, **fields: Any) -> BasketLine:
    values: dict[str, Any] = {
        "key": f"line-{variant}",
        "variant_id": uid(variant),
        "product_id": uid(1000 + variant),
        "category_ids": frozenset(),
        "tags": frozenset(),
    }
    return BasketLine(**{**values, **fields}, quantity=quantity, list_amount=list_amount)


def basket(
    *lines: BasketLine,
    price_setting: PriceSetting | None = None,
    buyer: Buyer = ANYONE,
    shipping_amount: int = 0,
    **fields: Any,
) -> Basket:
    return Basket("CNY", lines, shipping_amount, price_setting or ListPrice(), buyer, **fields)


ASKED = frozenset(Conditions.__dataclass_fields__)


def conditioned(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a promotion, those that are conditions put under `conditions`."""
    asked = {name: value for name, value in fields.items() if name in ASKED}
    rest = {name: value for name, value in fields.items() if name not in ASKED}
    return {**rest, "conditions": Conditions(**asked)} if asked else rest


def percent(number: int, off_bp: int, **fields: Any) -> PercentOff:
    return PercentOff(id=uid(number), version=1, off_bp=off_bp, **conditioned(fields))


def ids(numbers: Iterable[int]) -> frozenset[UUID]:
    return frozenset(uid(number) for number in numbers)


def only(*variants: int) -> Match:
    return Match(variant_ids=ids(variants))


# -- promotions, by the number of their id


def _with(number: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"id": uid(number), "version": 1, **conditioned(fields)}


def off_unit(number: int, off_amount: int, **fields: Any) -> AmountOffUnit:
    return AmountOffUnit(off_amount=off_amount, **_with(number, fields))


def off_line(number: int, off_amount: int, **fields: Any) -> AmountOffLine:
    return AmountOffLine(off_amount=off_amount, **_with(number, fields))


def off_order(number: int, off_amount: int, **fields: Any) -> AmountOffOrder:
    return AmountOffOrder(off_amount=off_amount, **_with(number, fields))


def percent_order(number: int, off_bp: int, **fields: Any) -> PercentOffOrder:
    return PercentOffOrder(off_bp=off_bp, **_with(number, fields))


def buy(number: int, n: int, m: int, **fields: Any) -> BuyNGetM:
    return BuyNGetM(buy=n, get=m, **_with(number, fields))


def bundle(number: int, price_amount: int, *parts: tuple[Match, int], **fields: Any) -> Bundle:
    """Parts are goods and how many of them."""
    made = tuple(BundlePart(match, quantity) for match, quantity in parts)
    return Bundle(parts=made, price_amount=price_amount, **_with(number, fields))


def full(number: int, *tiers: tuple[int, int], **fields: Any) -> SpendThreshold:
    """满减: tiers are a threshold and the amount it takes off."""
    made = tuple(Tier(threshold, off_amount=off) for threshold, off in tiers)
    return SpendThreshold(tiers=made, **_with(number, fields))


def full_percent(number: int, *tiers: tuple[int, int], **fields: Any) -> SpendThreshold:
    """满折: tiers are a threshold and the basis points it takes off."""
    made = tuple(Tier(threshold, off_bp=off_bp) for threshold, off_bp in tiers)
    return SpendThreshold(tiers=made, **_with(number, fields))


def tier(threshold_amount: int, price_amount: int, *variants: int, **fields: Any) -> AddOnTier:
    return AddOnTier(
        threshold_amount=threshold_amount,
        price_amount=price_amount,
        variant_ids=ids(variants),
        **fields,
    )


def add_on(number: int, *tiers: AddOnTier, **fields: Any) -> AddOn:
    return AddOn(tiers=tiers, **_with(number, fields))


def gift(number: int, threshold_amount: int, variant: int, **fields: Any) -> Gift:
    return Gift(threshold_amount=threshold_amount, variant_id=uid(variant), **_with(number, fields))


def free_shipping(number: int, threshold_amount: int = 0, **fields: Any) -> FreeShipping:
    return FreeShipping(threshold_amount=threshold_amount, **_with(number, fields))


def shipping_off(
    number: int, off_amount: int, threshold_amount: int = 0, **fields: Any
) -> ShippingOff:
    return ShippingOff(
        off_amount=off_amount, threshold_amount=threshold_amount, **_with(number, fields)
    )


# -- what a buyer brings


def coupon(number: int, **fields: Any) -> Coupon:
    """The right to the promotion of this number."""
    return Coupon(uid(5000 + number), uid(number), **fields)


def chosen(number: int, variant: int, quantity: int = 1) -> AddOnChoice:
    """Units chosen from the add-on of this number."""
    return AddOnChoice(f"add-{number}-{variant}", uid(number), uid(variant), quantity)


def offered(*goods: BasketLine) -> dict[UUID, BasketLine]:
    return {row.variant_id: row for row in goods}


# -- what an answer says


def pays(answer: Quote) -> list[tuple[int, ...]]:
    """What each unit pays, line by line."""
    return [row.unit_share_amounts for row in answer.lines]


def taken_off(answer: Quote) -> dict[int | str, int]:
    """What each promotion took off, by its number; other origins by their kind."""
    return {
        row.kind if row.promotion_id is None else number_of(row.promotion_id): row.amount
        for row in answer.applied
    }


def reasons(answer: Quote) -> dict[int, tuple[str, dict[str, Param]]]:
    """Why each promotion was not applied, by its number."""
    return {number_of(row.promotion_id): (row.code, dict(row.params)) for row in answer.not_applied}


def nudges(answer: Quote) -> dict[int, tuple[str, dict[str, Param]]]:
    """What more would earn, by the number of the promotion."""
    return {number_of(row.promotion_id): (row.code, dict(row.params)) for row in answer.nudges}


def number_of(id_: UUID) -> int:
    """The number that was made an id."""
    return id_.int & ((1 << 62) - 1)


def named(*promotions: int) -> dict[str, Param]:
    """The parameters of a reason that names promotions."""
    return {"promotion_ids": tuple(str(uid(number)) for number in promotions)}


def numbers(promotions: Iterable[Promotion]) -> list[int]:
    return [number_of(promotion.id) for promotion in promotions]


def saved(answer: Quote) -> int:
    """What all layers took off goods, add-ons and shipping together."""
    return answer.goods_list_amount + answer.shipping_list_amount - answer.total_amount


def used(answer: Quote) -> set[int]:
    """The numbers of those that took something off or gave something."""
    known = [row.promotion_id for row in answer.applied]
    known += [row.promotion_id for row in answer.gifts]
    return {number_of(id_) for id_ in known if id_ is not None}


# -- a whole quote in a line


QUOTE_FIELDS = frozenset({"now", "terms", "left"})
LINE_FIELDS = frozenset({"floor_amount", "tags"})


def cart(*promotions: Promotion, units: int = 1, price: int = 5_000, **more: Any) -> Quote:
    """Units of one variant under promotions; what else is told goes where it belongs."""
    goods = {name: value for name, value in more.items() if name in LINE_FIELDS}
    asked = {name: value for name, value in more.items() if name in QUOTE_FIELDS}
    rest = {name: value for name, value in more.items() if name not in LINE_FIELDS | QUOTE_FIELDS}
    return quote(
        basket(line(1, units, price, **goods), **rest), promotions, **{"now": NOW, **asked}
    )
