"""The laws over all mechanics together: exact, bounded, order-free, and the cheapest there is."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing import unit_by_unit
from tests.promotions.pricing.builders import NOW
from tests.promotions.pricing.random_baskets import random_basket, random_rules
from tests.promotions.pricing.strategies import any_mechanic, handfuls, mixed_rules


def price(basket: Basket, offers: list[Promotion]) -> Quote:
    return quote(basket, offers, now=NOW)


@given(handfuls(), mixed_rules())
def test_every_unit_priced_one_by_one_finds_nothing_better(
    basket: Basket, offers: list[Promotion]
) -> None:
    least = unit_by_unit.least_total(basket, offers)
    answer = price(basket, offers)
    assert answer.bound_amount <= least <= answer.total_amount
    if answer.optimality == "proven":
        assert answer.total_amount == least


@pytest.mark.parametrize("seed", range(4))
def test_plainly_random_baskets_are_priced_as_unit_by_unit(seed: int) -> None:
    """Twice as many baskets as hypothesis draws for a law, whichever profile it runs in."""
    rng = random.Random(seed)
    for _ in range(settings().max_examples * 2):
        basket, rules = random_basket(rng), random_rules(rng)
        least = unit_by_unit.least_total(basket, rules)
        answer = price(basket, rules)
        assert answer.bound_amount <= least <= answer.total_amount, (basket, rules)
        assert answer.optimality != "proven" or answer.total_amount == least, (basket, rules)


@given(handfuls(), mixed_rules())
def test_parts_sum_to_the_total_and_no_unit_leaves_its_bounds(
    basket: Basket, offers: list[Promotion]
) -> None:
    answer = price(basket, offers)
    floors = {line.variant_id: line.floor_amount for line in basket.lines}
    for line in answer.lines:
        assert sum(line.unit_share_amounts) == line.payable_amount
        saved = sum(row.amount for row in line.adjustments)
        assert line.list_amount * line.quantity - saved == line.payable_amount
        least = min(floors[line.variant_id], line.list_amount)
        assert all(least <= share <= line.list_amount for share in line.unit_share_amounts)
    assert sum(row.amount for row in answer.applied) == answer.goods_discount_amount
    assert answer.goods_payable_amount + basket.shipping_amount == answer.total_amount


@given(handfuls(), mixed_rules(), st.randoms())
def test_order_and_splitting_never_change_the_total(
    basket: Basket, offers: list[Promotion], rng: random.Random
) -> None:
    first = price(basket, offers)
    pieces = [
        replace(line, key=f"{line.key}-{n}", quantity=1)
        for line in basket.lines
        for n in range(line.quantity)
    ]
    rng.shuffle(pieces)
    rng.shuffle(offers)
    second = price(replace(basket, lines=tuple(pieces)), offers)
    assert (second.total_amount, second.bound_amount) == (first.total_amount, first.bound_amount)


@given(handfuls(), mixed_rules(), any_mechanic(16))
def test_one_more_promotion_never_costs_a_proven_price_anything(
    basket: Basket, offers: list[Promotion], extra: Promotion
) -> None:
    more = price(basket, [*offers, extra])
    if more.optimality == "proven":
        assert more.total_amount <= price(basket, offers).total_amount


@given(handfuls(), mixed_rules())
def test_every_promotion_is_either_applied_or_explained(
    basket: Basket, offers: list[Promotion]
) -> None:
    answer = price(basket, offers)
    applied = {row.promotion_id for row in answer.applied}
    explained = {row.promotion_id for row in answer.not_applied}
    assert applied | explained == {one.id for one in offers}
    assert not applied & explained
