"""An independent pricer: every unit tries every promotion, nothing is shared with the engine."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, combinations
from math import floor

from app.promotions.pricing.basket import Basket, BasketLine, Buyer, ListPrice
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing.builders import NOW

Combination = tuple[PercentOff, ...]


def accepts(match: Match, line: BasketLine) -> bool:
    """The meaning of a match, one sentence per field."""
    return all(
        (
            not match.product_ids or line.product_id in match.product_ids,
            not match.variant_ids or line.variant_id in match.variant_ids,
            not match.category_ids or bool(line.category_ids & match.category_ids),
            not match.tags_any or bool(line.tags & match.tags_any),
            match.tags_all <= line.tags,
            line.product_id not in match.product_ids_none,
            line.variant_id not in match.variant_ids_none,
            not line.category_ids & match.category_ids_none,
            not line.tags & match.tags_none,
        )
    )


def start_amount(basket: Basket, line: BasketLine) -> int:
    """What one unit costs before promotions."""
    setting = basket.price_setting
    if isinstance(setting, ListPrice):
        return line.list_amount
    return min(max(setting.amounts[line.variant_id], line.floor_amount), line.list_amount)


def is_open(promotion: Promotion, basket: Basket) -> bool:
    """Whether the promotion's conditions hold for the basket's buyer."""
    buyer: Buyer = basket.buyer
    asked = promotion.conditions
    return (
        (promotion.starts_at is None or promotion.starts_at <= NOW)
        and (promotion.ends_at is None or promotion.ends_at > NOW)
        and not isinstance(basket.price_setting, GroupPrice)
        and not (asked.new_buyers_only and buyer.paid_orders)
        and bool(not asked.community_ids or asked.community_ids & buyer.community_ids)
        and bool(not asked.member_tags_any or asked.member_tags_any & buyer.tags)
    )


def discounted(amount: int, promotion: PercentOff, line: BasketLine) -> int:
    """One unit after one promotion: the discount rounded half-up, the floor kept."""
    assert promotion.off_bp is not None, "a ladder is not for single units"
    discount = floor(Fraction(amount * promotion.off_bp, 10_000) + Fraction(1, 2))
    return max(amount - discount, min(line.floor_amount, amount))


def combinations_allowed(promotions: Iterable[PercentOff]) -> Iterator[Combination]:
    """Every set of promotions that may be used on one basket."""
    everything = list(promotions)
    sets = (combinations(everything, size) for size in range(len(everything) + 1))
    for chosen in chain.from_iterable(sets):
        if len(chosen) < 2 or not any(promotion.exclusive for promotion in chosen):
            yield chosen


def cost(basket: Basket, chosen: Combination) -> int:
    """The least total with these promotions, unit by unit."""
    total = basket.shipping_amount
    for line in basket.lines:
        amount = start_amount(basket, line)
        for _ in range(line.quantity):
            touching = [one for one in chosen if accepts(one.match, line)]
            total += min([amount, *(discounted(amount, one, line) for one in touching)])
    return total


def cheapest(basket: Basket, promotions: Iterable[PercentOff]) -> tuple[int, Combination]:
    """The least total, and of the sets that reach it the smallest, then the oldest."""
    usable = [promotion for promotion in promotions if is_open(promotion, basket)]
    ranked = (
        (cost(basket, chosen), len(chosen), sorted(one.id for one in chosen), chosen)
        for chosen in combinations_allowed(usable)
    )
    total, _, _, chosen = min(ranked, key=lambda row: row[:3])
    return total, chosen
