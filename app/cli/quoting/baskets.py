"""From a file's shapes to what the engine takes, once nothing in them contradicts itself."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.promotions.pricing.basket import (
    AddOnChoice,
    Basket,
    BasketLine,
    Buyer,
    Coupon,
    ListPrice,
    MemberPrice,
    Points,
    PriceSetting,
    SoloPrice,
)
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.group_price import GroupPrice, LadderTier
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Left, Terms
from app.promotions.rules import PromotionWish
from app.promotions.rules import promotion_of as promotion_of_stored
from app.promotions.schemas.promotions import AddPromotion
from app.promotions.schemas.quote_files import (
    PricedBuyer,
    PricedChoice,
    PricedGoods,
    PricedGroup,
    PricedLeft,
    PricedPromotion,
    PricedShop,
    QuoteFile,
)

# UUIDv7 of the year 1970: older than every id that was ever made, and in order of the file.
_FIRST_ID = (0x7 << 76) | (0b10 << 62)


def id_of(promotion: PricedPromotion, place: int) -> UUID:
    """Its own id, or one that its place in the file makes."""
    return promotion.id or UUID(int=_FIRST_ID + place + 1)


def wish_of(promotion: PricedPromotion) -> PromotionWish:
    """What it says, as the operators' API takes it."""
    return PromotionWish(**promotion.model_dump(include=set(AddPromotion.model_fields)))


def promotion_of(promotion: PricedPromotion, place: int) -> Promotion:
    """What the engine prices with."""
    stored = wish_of(promotion).stored()
    return promotion_of_stored(stored, id=id_of(promotion, place), version=promotion.version)


def left_of(promotion: PricedPromotion) -> Left:
    """What is left of its limits: all of them, or less where the file says so."""
    limits, left = promotion.limits, promotion.left
    return Left(
        uses=_least(limits.uses_max, left.uses),
        member_uses=_least(limits.member_uses_max, left.member_uses),
        budget_amount=_least(limits.budget_amount, left.budget_amount),
        tier_units=_tier_units(promotion, left),
    )


def _tier_units(promotion: PricedPromotion, left: PricedLeft) -> tuple[int | None, ...]:
    if promotion.rule.kind != "add_on":
        return ()
    said = left.tier_units
    return tuple(
        _least(tier.quota_units, said[place] if place < len(said) else None)
        for place, tier in enumerate(promotion.rule.tiers)
    )


def _least(*found: int | None) -> int | None:
    return min((one for one in found if one is not None), default=None)


def terms_of(shop: PricedShop) -> Terms:
    """What the shop lays down for all its promotions."""
    return Terms(
        time_zone=ZoneInfo(shop.time_zone),
        policy=shop.promotion_policy.value,
        discount_cap_bp=shop.discount_cap_bp,
        denials=tuple(
            Denial(Party(**row.one.model_dump()), Party(**row.other.model_dump()))
            for row in shop.promotion_denials
        ),
    )


def basket_of(file: QuoteFile) -> Basket:
    """The basket; goods in it are on offer as well, less the units that are in it."""
    units = Counter[UUID]()
    for one in file.lines:
        units[one.variant_id] += one.quantity
    lines = tuple(
        _line(one, key, one.quantity) for one, key in zip(file.lines, keys_of(file), strict=True)
    )
    given = {one.variant_id: one.available for one in file.goods if one.available is not None}
    return Basket(
        currency=file.shop.currency,
        lines=lines,
        shipping_amount=file.shop.shipping_flat_amount,
        price_setting=setting_of(file),
        buyer=_buyer(file.buyer),
        channel=file.channel,
        coupons=tuple(Coupon(**dict(one)) for one in file.coupons),
        add_ons=tuple(AddOnChoice(key_of(one), **dict(one)) for one in file.add_ons),
        offered={
            one.variant_id: _line(one, str(one.variant_id), 1) for one in (*file.goods, *file.lines)
        },
        points=None if file.points is None else Points(**dict(file.points)),
        stock={v: max(available - units[v], 0) for v, available in given.items()},
    )


def keys_of(file: QuoteFile) -> list[str]:
    """The key of each line: its own, or its variant, numbered from the second mention on."""
    seen = Counter[UUID]()
    found = []
    for line in file.lines:
        seen[line.variant_id] += 1
        times = seen[line.variant_id]
        own = str(line.variant_id) if times == 1 else f"{line.variant_id}:{times}"
        found.append(line.key or own)
    return found


def key_of(choice: PricedChoice) -> str:
    """The key of the line that a choice from an add-on becomes."""
    return f"{choice.variant_id}+{choice.promotion_id}"


_OF_LINE = frozenset(field.name for field in fields(BasketLine)) - {"key", "quantity"}


def _line(goods: PricedGoods, key: str, quantity: int) -> BasketLine:
    said: dict[str, Any] = {name: getattr(goods, name) for name in _OF_LINE}
    return BasketLine(key=key, quantity=quantity, **said)


def _buyer(buyer: PricedBuyer) -> Buyer:
    roles = {community: role.value for community, role in buyer.roles.items()}
    return Buyer(**{**dict(buyer), "roles": roles})


def setting_of(file: QuoteFile) -> PriceSetting:
    """The group's price, or the member or solo price that the lines name, or the list price.

    What is merely on offer does not change the kind of the basket's prices.
    """
    if file.group_price is not None:
        return _group_price(file.group_price)
    everything = (*file.goods, *file.lines)
    if any(line.member_amount is not None for line in file.lines):
        return MemberPrice(_amounts((one.variant_id, one.member_amount) for one in everything))
    if any(line.solo_amount is not None for line in file.lines):
        return SoloPrice(_amounts((one.variant_id, one.solo_amount) for one in everything))
    return ListPrice()


def _amounts(found: Iterable[tuple[UUID, int | None]]) -> dict[UUID, int]:
    return {variant_id: amount for variant_id, amount in found if amount is not None}


def _group_price(group: PricedGroup) -> GroupPrice:
    return GroupPrice(
        group.campaign_id,
        group.version,
        group.amounts,
        tuple(LadderTier(tier.size, tier.amounts) for tier in group.ladder),
        group.leader_amounts,
    )
