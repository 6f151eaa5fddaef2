"""From goods as the catalogue knows them to the basket that the engine prices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.catalog.rules import BasketGoods, Goods, Wanted, summed
from app.promotions.errors import AddOnNotOffered
from app.promotions.pricing.add_on import AddOn
from app.promotions.pricing.basket import (
    AddOnChoice,
    Basket,
    BasketLine,
    Buyer,
    Coupon,
    ListPrice,
    PriceSetting,
    SoloPrice,
)
from app.promotions.pricing.gift import Gift
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.promotion import Promotion

# Of what promotions could add to a basket, no more than so many variants are looked up.
ADDED_MAX = 200


@dataclass(frozen=True, slots=True)
class AddOnWish:
    """Units that the buyer chooses from an add-on offer."""

    promotion_id: UUID
    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to have priced; without a group's price the goods have their own."""

    lines: Sequence[Wanted]
    buyer: Buyer
    group_price: GroupPrice | None = None
    channel: str | None = None
    coupons: tuple[Coupon, ...] = ()
    add_ons: Sequence[AddOnWish] = ()


def added_variant_ids(promotions: Iterable[Promotion]) -> frozenset[UUID]:
    """The goods that promotions could add: what add-ons offer, and gifts."""
    gifts: list[UUID] = []
    offered: list[UUID] = []
    for promotion in promotions:
        if isinstance(promotion, AddOn):
            offered += sorted(promotion.variant_ids)
        elif isinstance(promotion, Gift):
            gifts.append(promotion.variant_id)
    # What is merely on offer waits behind what is given.
    return frozenset([*gifts, *offered][:ADDED_MAX])


def basket_of(goods: BasketGoods, asked: Asked, promotions: Iterable[Promotion]) -> Basket:
    """The basket of these goods; `AddOnNotOffered` for a choice that no live add-on offers.

    Of a gift that is not for sale there is nothing to be had.
    """
    promotions = tuple(promotions)
    _check_choices(asked.add_ons, promotions)
    units = summed(asked.lines)
    everything = {**goods.also, **goods.goods}
    return Basket(
        currency=goods.shop.currency,
        lines=tuple(_line(goods.goods[v], quantity) for v, quantity in units.items()),
        shipping_amount=goods.shop.shipping_flat_amount,
        price_setting=_setting(goods, asked),
        buyer=asked.buyer,
        channel=asked.channel,
        coupons=asked.coupons,
        add_ons=tuple(_choice(wish) for wish in asked.add_ons),
        offered={v: _line(one, 1) for v, one in everything.items()},
        stock={
            **{one.variant_id: 0 for one in promotions if isinstance(one, Gift)},
            **{v: max(one.available - one.quantity, 0) for v, one in everything.items()},
        },
    )


def _check_choices(choices: Sequence[AddOnWish], promotions: Iterable[Promotion]) -> None:
    if not choices:
        return
    offered = {one.id: one.variant_ids for one in promotions if isinstance(one, AddOn)}
    for choice in choices:
        if choice.variant_id not in offered.get(choice.promotion_id, ()):
            raise AddOnNotOffered(promotion_id=str(choice.promotion_id))


def _setting(goods: BasketGoods, asked: Asked) -> PriceSetting:
    if asked.group_price is not None:
        return asked.group_price
    # What is merely on offer must not change the kind of the basket's prices.
    if all(g.solo_amount is None for g in goods.goods.values()):
        return ListPrice()
    everything: Mapping[UUID, Goods] = {**goods.also, **goods.goods}
    return SoloPrice({v: g.solo_amount for v, g in everything.items() if g.solo_amount is not None})


def _choice(wish: AddOnWish) -> AddOnChoice:
    key = f"{wish.variant_id}+{wish.promotion_id}"
    return AddOnChoice(key, wish.promotion_id, wish.variant_id, wish.quantity)


def _line(goods: Goods, quantity: int) -> BasketLine:
    return BasketLine(
        key=str(goods.variant_id),
        variant_id=goods.variant_id,
        product_id=goods.product_id,
        category_ids=goods.category_ids,
        tags=goods.tags,
        quantity=quantity,
        list_amount=goods.list_amount,
        floor_amount=goods.floor_amount,
    )
