"""Whole answers: amounts, adjustments, floors, exclusivity, ties and runner-ups."""

from uuid import UUID

import pytest

from app.promotions.pricing.answer import Adjustment, Applied, Quote
from app.promotions.pricing.basket import Basket, SoloPrice
from app.promotions.pricing.engine import quote
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.match import Match
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing.builders import NOW, basket, ids, line, percent, uid

CAMPAIGN = uid(900)


def price(goods: Basket, *promotions: Promotion) -> Quote:
    return quote(goods, promotions, now=NOW)


def applied_ids(answer: Quote) -> list[UUID | None]:
    return [row.promotion_id for row in answer.applied]


def test_two_at_5000_with_20_percent_off_cost_8000() -> None:
    answer = price(basket(line(1, 2, 5000), shipping_amount=600), percent(10, 2000))
    (priced,) = answer.lines
    assert priced.unit_share_amounts == (4000, 4000)
    assert priced.adjustments == (Adjustment(uid(10), 1, "percent_off", 2000, 2),)
    assert answer.applied == (Applied(uid(10), 1, "percent_off", 2000, 2),)
    assert answer.not_applied == ()
    assert (answer.goods_list_amount, answer.goods_discount_amount) == (10_000, 2000)
    assert (answer.goods_payable_amount, answer.total_amount) == (8000, 8600)
    assert (answer.optimality, answer.bound_amount) == ("proven", 8600)
    assert answer.runner_up_amount == 10_600
    assert answer.currency == "CNY"
    assert answer.rounding == "half_up_per_unit"
    assert answer.allocation == "largest_remainder_ties_to_dearer"


def test_a_percentage_follows_the_solo_price_but_never_the_group_price() -> None:
    goods = line(1, 2, 19900)
    solo = SoloPrice({uid(1): 15900})
    alone = price(basket(goods, price_setting=solo), percent(10, 1000))
    assert alone.total_amount == 28620
    assert alone.applied == (
        Applied(None, None, "solo_price", 8000, 2),
        Applied(uid(10), 1, "percent_off", 3180, 2),
    )
    group = GroupPrice(CAMPAIGN, 1, {uid(1): 15900})
    together = price(basket(goods, price_setting=group), percent(10, 1000))
    assert together.total_amount == 31800
    assert together.lines[0].adjustments == (Adjustment(CAMPAIGN, 1, "group_price", 8000, 2),)
    assert together.lines[0].price_amount == 15900
    assert [row.code for row in together.not_applied] == ["denied_by_price_setting"]


def test_two_percentages_never_both_take_one_unit() -> None:
    answer = price(basket(line(1, 1, 7680)), percent(10, 5000), percent(11, 3000))
    assert answer.total_amount == 3840
    assert applied_ids(answer) == [uid(10)]
    assert answer.runner_up_amount == 5376


def test_each_line_takes_the_promotion_that_is_best_for_it() -> None:
    first = Match(variant_ids=ids([1]))
    answer = price(
        basket(line(1, 1, 10_000), line(2, 1, 10_000)),
        percent(10, 3000, match=first),
        percent(11, 1000),
    )
    assert [row.payable_amount for row in answer.lines] == [7000, 9000]
    assert answer.runner_up_amount == 17_000


@pytest.mark.parametrize(
    ("floor_amount", "payable_amount"), [(0, 2500), (2500, 2500), (2501, 2501), (5000, 5000)]
)
def test_a_floor_stops_the_discount_exactly(floor_amount: int, payable_amount: int) -> None:
    goods = basket(line(1, 1, 5000, floor_amount=floor_amount))
    assert price(goods, percent(10, 5000)).total_amount == payable_amount


def test_a_floor_above_the_list_price_forbids_discounts_and_raises_nothing() -> None:
    goods = line(1, 1, 5000, floor_amount=6000)
    answer = price(basket(goods, price_setting=SoloPrice({uid(1): 4000})), percent(10, 5000))
    assert answer.total_amount == 5000
    assert [row.code for row in answer.not_applied] == ["no_saving"]


def test_a_price_setting_stays_between_floor_and_list_price() -> None:
    dear = SoloPrice({uid(1): 6000})
    assert price(basket(line(1, 1, 5000), price_setting=dear)).total_amount == 5000
    assert price(basket(line(1, 1, 5000), price_setting=dear)).applied == ()
    cheap = GroupPrice(CAMPAIGN, 1, {uid(1): 1000})
    goods = line(1, 1, 5000, floor_amount=3000)
    assert price(basket(goods, price_setting=cheap)).total_amount == 3000


def test_an_exclusive_promotion_is_used_alone_or_not_at_all() -> None:
    goods = basket(line(1, 1, 10_000), line(2, 1, 10_000))
    alone = percent(10, 5000, match=Match(variant_ids=ids([1])), exclusive=True)
    answer = price(goods, alone, percent(11, 2000))
    assert (answer.total_amount, answer.runner_up_amount) == (15_000, 16_000)
    assert applied_ids(answer) == [uid(10)]
    answer = price(goods, alone, percent(11, 3000))
    assert (answer.total_amount, answer.runner_up_amount) == (14_000, 15_000)
    assert applied_ids(answer) == [uid(11)]


def test_of_equally_cheap_combinations_the_one_with_fewer_promotions_wins() -> None:
    left, right = Match(variant_ids=ids([1])), Match(variant_ids=ids([2]))
    goods = basket(line(1, 1, 10_000), line(2, 1, 10_000))
    answer = price(
        goods, percent(10, 2000, match=left), percent(11, 2000, match=right), percent(12, 2000)
    )
    assert applied_ids(answer) == [uid(12)]
    assert answer.runner_up_amount == answer.total_amount == 16_000


def test_of_equally_cheap_and_equally_many_the_older_promotion_wins() -> None:
    answer = price(basket(line(1)), percent(11, 2000), percent(10, 2000))
    assert applied_ids(answer) == [uid(10)]
    answer = price(basket(line(1)), percent(11, 2000), percent(10, 2000, exclusive=True))
    assert applied_ids(answer) == [uid(10)]


def test_a_line_that_two_used_promotions_serve_equally_goes_to_the_older() -> None:
    older = percent(10, 2000, match=Match(variant_ids=ids([1, 3])))
    younger = percent(11, 2000, match=Match(variant_ids=ids([2, 3])))
    answer = price(basket(line(1), line(2), line(3)), younger, older)
    users = [row.adjustments[0].promotion_id for row in answer.lines]
    assert users == [uid(10), uid(11), uid(10)]


def test_lines_of_one_variant_are_merged_under_the_first_key_in_order_of_appearance() -> None:
    cheap, dear = line(1, 2, 100), line(2, 1, 9000)
    again = line(1, 3, 100, key="again")
    answer = price(basket(cheap, dear, again))
    assert [(row.key, row.quantity) for row in answer.lines] == [("line-1", 5), ("line-2", 1)]
    assert answer.total_amount == 9500


def test_an_empty_basket_costs_its_shipping() -> None:
    answer = price(basket(shipping_amount=600), percent(10, 5000))
    assert (answer.lines, answer.total_amount, answer.runner_up_amount) == ((), 600, None)
    assert [row.code for row in answer.not_applied] == ["no_matching_units"]


def test_the_largest_basket_is_priced_exactly() -> None:
    lines = [line(number, 9999, 10**12) for number in range(100)]
    answer = price(basket(*lines), percent(10, 3333))
    assert answer.total_amount == 100 * 9999 * 666_700_000_000
    assert answer.goods_list_amount < 2**63
