"""What contradicts itself in a file that has the right shape; all of it is told at once."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from app.cli.quoting.baskets import id_of, key_of, keys_of, setting_of, wish_of
from app.promotions.errors import AddOnNotOffered, BadPromotion, CouponWithGroup
from app.promotions.rules import ShopLimits, check_wish
from app.promotions.schemas.quote_files import PricedPromotion, PricedShop, QuoteFile


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, a stable code, and what it is."""

    pointer: str
    code: str
    detail: str

    def told(self) -> dict[str, str]:
        """As the API tells it."""
        return asdict(self)


def faults_in(file: QuoteFile) -> Iterator[Fault]:
    """Everything that keeps a file from having a price."""
    yield from _lines(file)
    yield from _goods(file)
    yield from _price_setting(file)
    yield from _promotions(file)
    yield from _add_ons(file)
    yield from _coupons(file)


def _twice(values: Iterable[Any]) -> list[int]:
    """The places of what was there before."""
    seen: set[Any] = set()
    found = []
    for place, value in enumerate(values):
        if value in seen:
            found.append(place)
        seen.add(value)
    return found


def _lines(file: QuoteFile) -> Iterator[Fault]:
    keys = [*keys_of(file), *map(key_of, file.add_ons)]
    for place in _twice(keys):
        within = place - len(file.lines)
        where = f"/lines/{place}/key" if within < 0 else f"/add_ons/{within}"
        yield Fault(where, "duplicate_key", f"{keys[place]} is there before")


def _goods(file: QuoteFile) -> Iterator[Fault]:
    for place in _twice(one.variant_id for one in file.goods):
        yield Fault(f"/goods/{place}/variant_id", "duplicate_id", "the variant is there before")
    known: dict[UUID, dict[str, Any]] = {}
    mentions = [
        *((f"/lines/{place}", one) for place, one in enumerate(file.lines)),
        *((f"/goods/{place}", one) for place, one in enumerate(file.goods)),
    ]
    for where, one in mentions:
        described = one.described()
        before = known.setdefault(one.variant_id, described)
        for name in sorted(name for name in described if described[name] != before[name]):
            told = "the same variant was described otherwise before"
            yield Fault(f"{where}/{name}", "goods_differ", told)


def _price_setting(file: QuoteFile) -> Iterator[Fault]:
    if file.group_price is not None:
        yield from _group(file)
        return
    member = any(line.member_amount is not None for line in file.lines)
    for place, line in enumerate(file.lines):
        if member and line.solo_amount is not None:
            told = "a basket has solo prices or member prices, not both"
            yield Fault(f"/lines/{place}/solo_amount", "two_price_settings", told)


def _group(file: QuoteFile) -> Iterator[Fault]:
    if file.coupons:
        yield Fault("/coupons", CouponWithGroup.code, CouponWithGroup.title)
    try:
        setting = setting_of(file)
    except ValueError as error:
        yield Fault("/group_price/ladder", "bad_group_price", str(error))
        return
    chosen = [one.variant_id for one in file.add_ons]
    for variant_id in dict.fromkeys([*(one.variant_id for one in file.lines), *chosen]):
        if setting.amount_for(variant_id, 0) is None:
            told = f"there is no amount for {variant_id}"
            yield Fault("/group_price/amounts", "unpriced_variant", told)


# Where the reasons of BadPromotion are to be looked for, and what they say.
_REASONS = {
    "currency": ("currency", "the shop's is {currency}"),
    "window": ("ends_at", "it ends before it starts"),
    "match": ("match", "{fields} contradict one another"),
    "rule": ("rule", "{detail}"),
    "conditions": ("conditions", "{detail}"),
}


def _promotions(file: QuoteFile) -> Iterator[Fault]:
    for place in _twice(id_of(one, n) for n, one in enumerate(file.promotions)):
        yield Fault(f"/promotions/{place}/id", "duplicate_id", "the id is there before")
    for place, one in enumerate(file.promotions):
        yield from _promotion(one, f"/promotions/{place}", file.shop)


def _promotion(promotion: PricedPromotion, where: str, shop: PricedShop) -> Iterator[Fault]:
    limits = ShopLimits(
        currency=shop.currency,
        # Whether an order may be free is asked when it is placed.
        allow_free_orders=True,
        shipping_flat_amount=shop.shipping_flat_amount,
        discount_cap_bp=shop.discount_cap_bp,
    )
    try:
        check_wish(wish_of(promotion), limits)
    except BadPromotion as refusal:
        reason = refusal.params["reason"]
        field, told = _REASONS[reason]
        detail = f"{reason}: {told.format_map(refusal.params)}"
        yield Fault(f"{where}/{field}", refusal.code, detail)
    tiers = promotion.rule.tiers if promotion.rule.kind == "add_on" else []
    if len(promotion.left.tier_units) > len(tiers):
        yield Fault(f"{where}/left/tier_units", "too_long", f"the rule has {len(tiers)} tiers")


def _add_ons(file: QuoteFile) -> Iterator[Fault]:
    offered = {
        id_of(one, place): frozenset().union(*(tier.variant_ids for tier in one.rule.tiers))
        for place, one in enumerate(file.promotions)
        if one.rule.kind == "add_on"
    }
    known = {one.variant_id for one in (*file.goods, *file.lines)}
    for place, choice in enumerate(file.add_ons):
        where = f"/add_ons/{place}"
        if choice.variant_id not in known:
            told = "neither goods nor lines describe the variant"
            yield Fault(f"{where}/variant_id", "unknown_goods", told)
        if choice.variant_id not in offered.get(choice.promotion_id, ()):
            yield Fault(f"{where}/promotion_id", AddOnNotOffered.code, AddOnNotOffered.title)


def _coupons(file: QuoteFile) -> Iterator[Fault]:
    for place in _twice(one.id for one in file.coupons):
        yield Fault(f"/coupons/{place}/id", "duplicate_id", "the coupon is there before")
    known = {id_of(one, place) for place, one in enumerate(file.promotions)}
    for place, coupon in enumerate(file.coupons):
        if coupon.promotion_id not in known:
            told = "the file has no such promotion"
            yield Fault(f"/coupons/{place}/promotion_id", "unknown_promotion", told)
