"""Shops, their promotions and baskets, made at random in three families.

`real`: only discounts of units. Six in ten name five products out of 500, three in ten one of 60
categories, one in ten all goods; one in five is for new buyers, one in ten exclusive.

`mixed real`: a catalogue of 1,000 products in 60 categories, each with two of 40 tags. A buyer
fills a basket half from three favourite categories and half from anywhere, mostly single units.
Of the promotions four in ten are percentages, one in five of these by count, capped, or for so
many units; the others are amounts off units or lines, buy-N-get-M and bundles of either like goods
or two named products, and one in ten is a spend threshold. Item promotions name five products, one
category or a tag; one in fifty covers all goods, but a buy-N-get-M or bundle over all goods runs in
one shop of ten, and then alone. The first two spend thresholds cover all goods, the others a
category. Every other shop ships free from an amount on, and one in five has an add-on, of which the
buyer has chosen nothing. One promotion in five is for new buyers only, which the buyer is not.
Thresholds are drawn around what a basket of that size costs.

`adversarial`: nothing a shop would do. Bundles, buy-N-get-M, ladders and caps, a few discounts of
units and thresholds, two in three of them over all goods and the others over half of the basket.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.promotions.pricing.add_on import AddOn, AddOnTier
from app.promotions.pricing.amount_off import AmountOffLine, AmountOffUnit
from app.promotions.pricing.basket import Basket, BasketLine, Buyer, ListPrice
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import FreeShipping
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier

SIZES = ((5, 5), (20, 50), (50, 200), (100, 500))
PRODUCTS, CATEGORIES, TAGS = 1_000, 60, 40
MEAN_AMOUNT = 15_000
SHIPPING_AMOUNT = 1_000

Shop = tuple[Basket, tuple[Promotion, ...]]
Fields = dict[str, Any]
_BUYER = Buyer(3, frozenset(), frozenset())


def _id(number: int) -> UUID:
    return UUID(int=(7 << 76) | (2 << 62) | number)


def _products(numbers: list[int]) -> Match:
    return Match(product_ids=frozenset(_id(2_000 + n) for n in numbers))


def _category(number: int) -> Match:
    return Match(category_ids=frozenset({_id(5_000 + number)}))


def _line(rng: random.Random, number: int, product: int, units: int) -> BasketLine:
    # What a product is follows from its number, so that baskets of one shop agree.
    of_product = random.Random(product)
    return BasketLine(
        key=f"line-{number}",
        variant_id=_id(10_000 + number),
        product_id=_id(2_000 + product),
        category_ids=frozenset({_id(5_000 + product % CATEGORIES)}),
        tags=frozenset(str(tag) for tag in of_product.sample(range(TAGS), 2)),
        quantity=units,
        list_amount=of_product.randint(5, 300) * 100 - rng.choice((0, 1, 10)),
        floor_amount=0,
    )


def _basket(lines: list[BasketLine], shipping_amount: int = 0) -> Basket:
    return Basket("CNY", tuple(lines), shipping_amount, ListPrice(), _BUYER)


def _fields(rng: random.Random, number: int, match: Match) -> Fields:
    fields: Fields = {"id": _id(10 + number), "version": 1, "match": match}
    fields["conditions"] = Conditions(new_buyers_only=rng.random() < 0.2)
    return fields


# -- real: unit discounts


def _real(rng: random.Random, lines: int, promotions: int) -> Shop:
    goods = [_line(rng, n, rng.randrange(500), rng.randint(1, 5)) for n in range(lines)]
    live: list[Promotion] = []
    for number in range(promotions):
        fields = _fields(rng, number, _real_match(rng))
        fields["exclusive"] = rng.random() < 0.1
        live.append(PercentOff(off_bp=rng.randint(100, 5_000), **fields))
    return _basket(goods), tuple(live)


def _real_match(rng: random.Random) -> Match:
    kind = rng.random()
    if kind < 0.6:
        return _products(rng.sample(range(500), 5))
    return _category(rng.randrange(CATEGORIES)) if kind < 0.9 else Match()


# -- mixed real: a shop's own promotions


def _mixed_real(rng: random.Random, lines: int, promotions: int) -> Shop:
    favourites = rng.sample(range(CATEGORIES), 3)
    goods = []
    for number in range(lines):
        product = rng.randrange(PRODUCTS)
        if rng.random() < 0.5:
            product += rng.choice(favourites) - product % CATEGORIES
        units = rng.choices((1, 2, 3, 5), (60, 25, 10, 5))[0]
        goods.append(_line(rng, number, product % PRODUCTS, units))
    thresholds = max(promotions // 10, 1)
    live = [_threshold(rng, number, lines) for number in range(thresholds)]
    items = range(thresholds, promotions)
    live += [_scoped(rng, _fields(rng, number, _scope(rng))) for number in items]
    if rng.random() < 0.1:
        fields = _fields(rng, promotions, Match())
        live[-1] = rng.choice((_free, _like_goods))(rng, fields)
    return _basket(goods, SHIPPING_AMOUNT), (*live, *_extras(rng, promotions + 1, lines))


def _extras(rng: random.Random, number: int, lines: int) -> list[Promotion]:
    """Free shipping in every other shop, and in one of five an add-on."""
    fields, found = _fields(rng, number, Match()), list[Promotion]()
    amount = rng.randint(1, MEAN_AMOUNT * lines)
    if rng.random() < 0.5:
        found.append(FreeShipping(threshold_amount=amount, **fields))
    if rng.random() < 0.2:
        tier = AddOnTier(price_amount=100, variant_ids=frozenset({_id(9_000)}))
        found.append(AddOn(tiers=(tier,), **_fields(rng, number + 1, Match())))
    return found


def _scope(rng: random.Random) -> Match:
    kind = rng.random()
    if kind < 0.5:
        return _products(rng.sample(range(PRODUCTS), 5))
    if kind < 0.8:
        return _category(rng.randrange(CATEGORIES))
    if kind < 0.98:
        return Match(tags_any=frozenset({str(rng.randrange(TAGS))}))
    return Match()


def _threshold(rng: random.Random, number: int, lines: int) -> Promotion:
    match = Match() if number < 2 else _category(rng.randrange(CATEGORIES))
    whole = MEAN_AMOUNT * (lines if number < 2 else 2)
    amount = rng.randint(whole // 4, whole * 2) // 1_000 * 1_000 + 1_000
    tiers = (Tier(amount, amount // 10), Tier(2 * amount, amount // 4))
    return SpendThreshold(tiers=tiers, **_fields(rng, number, match))


def _scoped(rng: random.Random, fields: Fields) -> Promotion:
    if fields["match"] == Match():
        return _percent_off(rng, fields)
    makers = (_percent_off, _limited, _unit, _whole_line, _free, _like_goods, _two_products)
    return rng.choices(makers, (36, 9, 14, 8, 14, 9, 10))[0](rng, fields)


def _limited(rng: random.Random, fields: Fields) -> Promotion:
    """A percentage that rises with the units, is capped, or is for so many units."""
    low, high = sorted(rng.sample(range(5, 50), 2))
    ladder = (LadderStep(1, low * 100), LadderStep(rng.randint(2, 3), high * 100))
    cap = rng.randint(10, 100) * 100
    limits: tuple[Fields, ...] = (
        {"ladder": ladder},
        {"off_bp": high * 100, "line_off_max_amount": cap},
        {"off_bp": high * 100, "order_off_max_amount": cap},
        {"off_bp": high * 100, "units_max": rng.randint(1, 3)},
    )
    return PercentOff(**rng.choice(limits), **fields)


def _percent_off(rng: random.Random, fields: Fields) -> Promotion:
    return PercentOff(off_bp=rng.randint(5, 50) * 100, **fields)


def _unit(rng: random.Random, fields: Fields) -> Promotion:
    return AmountOffUnit(off_amount=rng.randint(1, 30) * 100, **fields)


def _whole_line(rng: random.Random, fields: Fields) -> Promotion:
    return AmountOffLine(off_amount=rng.randint(1, 50) * 100, **fields)


def _free(rng: random.Random, fields: Fields) -> Promotion:
    return BuyNGetM(buy=rng.randint(1, 3), get=1, **fields)


def _like_goods(rng: random.Random, fields: Fields) -> Promotion:
    units = rng.randint(2, 3)
    price = MEAN_AMOUNT * units * rng.randint(50, 95) // 100
    return Bundle(parts=(BundlePart(fields["match"], units),), price_amount=price, **fields)


def _two_products(rng: random.Random, fields: Fields) -> Promotion:
    parts = tuple(BundlePart(_products(rng.sample(range(PRODUCTS), 3)), 1) for _ in range(2))
    price = MEAN_AMOUNT * rng.randint(100, 190) // 100
    return Bundle(parts=parts, price_amount=price, **{**fields, "match": Match()})


# -- adversarial: everything everywhere


def _adversarial(rng: random.Random, lines: int, promotions: int) -> Shop:
    goods = [_line(rng, n, rng.randrange(PRODUCTS), rng.randint(1, 4)) for n in range(lines)]
    live = []
    for number in range(promotions):
        some = rng.sample(goods, (lines + 1) // 2)
        match = Match(product_ids=frozenset(line.product_id for line in some))
        fields = _fields(rng, number, match if rng.random() < 0.33 else Match())
        makers = (_free, _like_goods, _percent_off, _whole_line, _wide_threshold)
        live.append(rng.choices(makers, (35, 30, 20, 10, 5))[0](rng, fields))
    return _basket(goods), tuple(live)


def _wide_threshold(rng: random.Random, fields: Fields) -> Promotion:
    amount = rng.randint(10, 4_000) * 100
    return SpendThreshold(tiers=(Tier(amount, amount // 10),), **fields)


_SHOPS: Mapping[str, Callable[[random.Random, int, int], Shop]] = {
    "real": _real,
    "mixed real": _mixed_real,
    "adversarial": _adversarial,
}
FAMILIES = tuple(_SHOPS)


def shop_of(family: str, rng: random.Random, lines: int, promotions: int) -> Shop:
    """A basket of so many lines, and so many promotions that are live."""
    return _SHOPS[family](rng, lines, promotions)
