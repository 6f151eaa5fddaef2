"""The laws of a quote, over random baskets: exact, bounded, order-free, pure, and the cheapest."""

import random
from copy import deepcopy
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Basket
from app.promotions.pricing.engine import quote
from app.promotions.pricing.percent_off import PercentOff
from tests.promotions.pricing import brute_force
from tests.promotions.pricing.builders import NOW
from tests.promotions.pricing.strategies import baskets, promotions, rules


def price(basket: Basket, offers: list[PercentOff]) -> Quote:
    return quote(basket, offers, now=NOW)


@given(baskets(), rules())
def test_parts_sum_to_the_total_exactly(basket: Basket, offers: list[PercentOff]) -> None:
    answer = price(basket, offers)
    for line in answer.lines:
        assert len(line.unit_share_amounts) == line.quantity
        assert sum(line.unit_share_amounts) == line.payable_amount
        saved = sum(row.amount for row in line.adjustments)
        assert line.list_amount * line.quantity - saved == line.payable_amount
    assert sum(line.payable_amount for line in answer.lines) == answer.goods_payable_amount
    assert sum(row.amount for row in answer.applied) == answer.goods_discount_amount
    assert answer.goods_list_amount - answer.goods_discount_amount == answer.goods_payable_amount
    assert answer.goods_payable_amount + basket.shipping_amount == answer.total_amount


@given(baskets(), rules())
def test_each_unit_pays_between_its_floor_and_its_list_price(
    basket: Basket, offers: list[PercentOff]
) -> None:
    floors = {line.variant_id: line.floor_amount for line in basket.lines}
    for line in price(basket, offers).lines:
        least = min(floors[line.variant_id], line.list_amount)
        assert all(least <= share <= line.list_amount for share in line.unit_share_amounts)
        assert least <= line.price_amount <= line.list_amount


@given(baskets(), rules())
def test_no_unit_is_consumed_by_two_promotions(basket: Basket, offers: list[PercentOff]) -> None:
    for line in price(basket, offers).lines:
        consumed = sum(row.units for row in line.adjustments if row.kind == "percent_off")
        assert consumed <= line.quantity


@given(baskets(), rules(), st.randoms())
def test_order_of_lines_and_promotions_changes_nothing_but_the_order_of_lines(
    basket: Basket, offers: list[PercentOff], rng: random.Random
) -> None:
    first = price(basket, offers)
    lines = list(basket.lines)
    rng.shuffle(lines)
    rng.shuffle(offers)
    second = price(replace(basket, lines=tuple(lines)), offers)
    key = [line.key for line in first.lines].index
    assert first == replace(second, lines=tuple(sorted(second.lines, key=lambda row: key(row.key))))


@given(baskets().filter(lambda one: any(row.quantity > 1 for row in one.lines)), rules(), st.data())
def test_splitting_a_line_in_two_changes_nothing(
    basket: Basket, offers: list[PercentOff], data: st.DataObject
) -> None:
    line = data.draw(st.sampled_from([row for row in basket.lines if row.quantity > 1]))
    rest = replace(line, key="rest", quantity=line.quantity - 1)
    split = [replace(row, quantity=1) if row is line else row for row in basket.lines]
    position = data.draw(st.integers(split.index(replace(line, quantity=1)) + 1, len(split)))
    split.insert(position, rest)
    assert price(replace(basket, lines=tuple(split)), offers) == price(basket, offers)


@given(baskets(), rules(), promotions(16))
def test_one_more_promotion_never_costs_the_buyer_anything(
    basket: Basket, offers: list[PercentOff], extra: PercentOff
) -> None:
    assert price(basket, [*offers, extra]).total_amount <= price(basket, offers).total_amount


@given(baskets(), rules())
def test_brute_force_finds_the_same_total_and_the_same_promotions(
    basket: Basket, offers: list[PercentOff]
) -> None:
    total, chosen = brute_force.cheapest(basket, offers)
    answer = price(basket, offers)
    assert (answer.total_amount, answer.bound_amount) == (total, total)
    assert answer.optimality == "proven"
    used = {row.promotion_id for row in answer.applied if row.kind == "percent_off"}
    assert used == {promotion.id for promotion in chosen}


@given(baskets(), rules())
def test_the_runner_up_is_the_best_without_one_of_the_promotions_used(
    basket: Basket, offers: list[PercentOff]
) -> None:
    answer = price(basket, offers)
    used = {row.promotion_id for row in answer.applied if row.kind == "percent_off"}
    without = [
        brute_force.cheapest(basket, [one for one in offers if one.id != left_out])[0]
        for left_out in used
    ]
    assert answer.runner_up_amount == min(without, default=None)


@given(baskets(), rules())
def test_every_promotion_is_either_applied_or_explained(
    basket: Basket, offers: list[PercentOff]
) -> None:
    answer = price(basket, offers)
    applied = [row.promotion_id for row in answer.applied if row.kind == "percent_off"]
    explained = [row.promotion_id for row in answer.not_applied]
    assert sorted([*filter(None, applied), *explained]) == sorted(one.id for one in offers)


@given(baskets(), rules())
def test_a_quote_is_pure(basket: Basket, offers: list[PercentOff]) -> None:
    before = deepcopy((basket, offers))
    first = price(basket, offers)
    assert (basket, offers) == before
    assert price(basket, offers) == first
