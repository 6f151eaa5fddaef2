"""Each mechanic as examples: what is in the basket, what applies, what each unit pays."""

import pytest

from app.promotions.pricing.answer import GiftLine
from app.promotions.pricing.basket import AddOnChoice, SoloPrice
from app.promotions.pricing.engine import quote
from app.promotions.pricing.group_price import GroupPrice, LadderTier
from app.promotions.pricing.match import Match
from app.promotions.pricing.promotion import Promotion
from tests.promotions.pricing.builders import (
    NOW,
    add_on,
    basket,
    bundle,
    buy,
    chosen,
    coupon,
    free_shipping,
    full,
    full_percent,
    gift,
    ids,
    line,
    off_line,
    off_order,
    off_unit,
    offered,
    only,
    pays,
    percent,
    percent_order,
    shipping_off,
    taken_off,
    tier,
    uid,
)
from tests.promotions.pricing.examples import Example

GROUP = 900
JUICER, CUP = line(1, 1, 29_800), line(40, list_amount=8_900)
CUP_FOR_100 = add_on(30, tier(29_800, 100, 40))
WITH_CUP = {"add_ons": (chosen(30, 40),), "offered": offered(CUP)}
GROUP_PRICE = GroupPrice(uid(GROUP), 1, {uid(1): 9_900})

EXAMPLES = [
    Example(
        says="打8折: 20 percent off each of two at 50.00",
        goods=(line(1, 2, 5_000),),
        by=(percent(10, 2_000),),
        off={10: 2_000},
        pay=((4_000, 4_000),),
    ),
    Example(
        says="整单8折 at most 15.00 off",
        goods=(line(1, 2, 5_000),),
        by=(percent_order(10, 2_000, off_max_amount=1_500),),
        off={10: 1_500},
        pay=((4_250, 4_250),),
    ),
    Example(
        says="立减 3.00 off each unit",
        goods=(line(1, 2, 1_000), line(2, 1, 500)),
        by=(off_unit(10, 300),),
        off={10: 900},
        pay=((700, 700), (200,)),
    ),
    Example(
        says="立减 3.00 off each line",
        goods=(line(1, 2, 1_000), line(2, 1, 500)),
        by=(off_line(10, 300),),
        off={10: 600},
        pay=((850, 850), (200,)),
    ),
    Example(
        says="立减 3.00 off the order, spread by list price",
        goods=(line(1, 2, 1_000), line(2, 1, 500)),
        by=(off_order(10, 300),),
        off={10: 300},
        pay=((880, 880), (440,)),
    ),
    Example(
        says="满200减20: 199.99 pays in full",
        goods=(line(1, 1, 19_999),),
        by=(full(10, (20_000, 2_000)),),
        pay=((19_999,),),
    ),
    Example(
        says="满200减20: exactly 200.00 pays 180.00",
        goods=(line(1, 1, 20_000),),
        by=(full(10, (20_000, 2_000)),),
        off={10: 2_000},
        pay=((18_000,),),
    ),
    Example(
        says="满200减20: 200.01 pays 180.01",
        goods=(line(1, 1, 20_001),),
        by=(full(10, (20_000, 2_000)),),
        off={10: 2_000},
        pay=((18_001,),),
    ),
    Example(
        says="满折: only the highest tier met applies",
        goods=(line(1, 2, 10_000),),
        by=(full_percent(10, (10_000, 1_000), (20_000, 2_000)),),
        off={10: 4_000},
        pay=((8_000, 8_000),),
    ),
    Example(
        says="每满100减15: three times at 300.00",
        goods=(line(1, 3, 10_000),),
        by=(full(10, (10_000, 1_500), repeat=True),),
        off={10: 4_500},
        pay=((8_500, 8_500, 8_500),),
    ),
    Example(
        says="买2送1 with three alike: one is free, the three share it",
        goods=(line(1, 3, 3_000),),
        by=(buy(10, 2, 1),),
        off={10: 3_000},
        pay=((2_000, 2_000, 2_000),),
    ),
    Example(
        says="买1送1 at half price works across goods, on the cheaper",
        goods=(line(1, 1, 3_000), line(2, 1, 1_000)),
        by=(buy(10, 1, 1, off_bp=5_000),),
        off={10: 500},
        pay=((2_625,), (875,)),
    ),
    Example(
        says="bundle: A 30.00 + B 20.00 for 40.00, two sets, 48.00 and 32.00",
        goods=(line(1, 2, 3_000), line(2, 2, 2_000)),
        by=(bundle(10, 4_000, (only(1), 1), (only(2), 1)),),
        off={10: 2_000},
        pay=((2_400, 2_400), (1_600, 1_600)),
    ),
    Example(
        says="bundle: what is over is sold alone at its own price",
        goods=(line(1, 2, 3_000), line(2, 1, 2_000)),
        by=(bundle(10, 4_000, (only(1), 1), (only(2), 1)),),
        off={10: 1_000},
        pay=((2_400, 3_000), (1_600,)),
    ),
    Example(
        says="bundle: a part alone costs what it always costs",
        goods=(line(1, 2, 3_000),),
        by=(bundle(10, 4_000, (only(1), 1), (only(2), 1)),),
        pay=((3_000, 3_000),),
    ),
    Example(
        says="加1元换购: the juicer and the cup for 1.00",
        goods=(JUICER,),
        by=(CUP_FOR_100,),
        brings=WITH_CUP,
        off={30: 8_800},
        pay=((29_800,), (100,)),
    ),
    Example(
        says="加1元换购: the cup has its own price when the basket stops qualifying",
        goods=(line(1, 1, 29_799),),
        by=(CUP_FOR_100,),
        brings=WITH_CUP,
        pay=((29_799,), (8_900,)),
    ),
    Example(
        says="加1元换购: nothing is added that was not chosen",
        goods=(JUICER,),
        by=(CUP_FOR_100,),
        pay=((29_800,),),
    ),
    Example(
        says="list price 199.00",
        goods=(line(1, 1, 19_900),),
        pay=((19_900,),),
    ),
    Example(
        says="alone 159.00",
        goods=(line(1, 1, 19_900),),
        setting=SoloPrice({uid(1): 15_900}),
        off={"solo_price": 4_000},
        pay=((15_900,),),
    ),
    Example(
        says="拼团: three together pay 99.00 each",
        goods=(line(1, 1, 19_900),),
        setting=GROUP_PRICE,
        off={GROUP: 10_000},
        pay=((9_900,),),
    ),
    Example(
        says="the leader of a group pays the leader's price",
        goods=(line(1, 1, 19_900),),
        setting=GroupPrice(uid(GROUP), 1, {uid(1): 9_900}, leader_amounts={uid(1): 4_900}),
        off={GROUP: 15_000},
        pay=((4_900,),),
    ),
    Example(
        says="free shipping",
        goods=(line(1, 1, 5_000),),
        by=(free_shipping(10, 5_000),),
        brings={"shipping_amount": 600},
        off={10: 600},
        pay=((5_000,),),
    ),
    Example(
        says="4.00 off the shipping",
        goods=(line(1, 1, 5_000),),
        by=(shipping_off(10, 400),),
        brings={"shipping_amount": 600},
        off={10: 400},
        pay=((5_000,),),
        shipping=200,
    ),
    Example(
        says="a coupon that was not presented does nothing",
        goods=(line(1, 1, 5_000),),
        by=(percent(10, 2_000, needs_coupon=True),),
        pay=((5_000,),),
    ),
    Example(
        says="a coupon is a trigger: a percentage behind it",
        goods=(line(1, 1, 5_000),),
        by=(percent(10, 2_000, needs_coupon=True),),
        brings={"coupons": (coupon(10),)},
        off={10: 1_000},
        pay=((4_000,),),
    ),
    Example(
        says="a coupon is a trigger: 买1送1 behind it",
        goods=(line(1, 2, 5_000),),
        by=(buy(10, 1, 1, needs_coupon=True),),
        brings={"coupons": (coupon(10),)},
        off={10: 5_000},
        pay=((2_500, 2_500),),
    ),
    Example(
        says="a coupon is a trigger: free shipping behind it",
        goods=(line(1, 1, 5_000),),
        by=(free_shipping(10, needs_coupon=True),),
        brings={"coupons": (coupon(10),), "shipping_amount": 600},
        off={10: 600},
        pay=((5_000,),),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.says)
def test_what_each_unit_pays(example: Example) -> None:
    example.check()


def test_buy_two_get_one_of_seven_gives_the_two_cheapest_of_the_seven() -> None:
    """They are of seven variants on seven lines; four of the other five pay for them."""
    answer = quote(basket(*(line(v, 1, 1_000 * v) for v in range(1, 8))), [buy(10, 2, 1)], now=NOW)
    assert (answer.goods_list_amount, answer.total_amount) == (28_000, 25_000)
    assert [(row.amount, row.units) for row in answer.applied] == [(1_000 + 2_000, 2 * 1 + 2 * 2)]


def test_a_bundle_may_mix_the_shops_own_goods_with_a_partners() -> None:
    """Cosmetics of the shop and tissues of another brand, in any of its sizes."""
    cosmetics, tissues = Match(category_ids=ids([300])), Match(tags_any=frozenset({"partner"}))
    goods = basket(
        line(1, 1, 9_900, category_ids=ids([300])),
        line(2, 1, 1_000, tags=frozenset({"partner"})),
        line(3, 1, 1_200, tags=frozenset({"partner"})),
    )
    answer = quote(goods, [bundle(10, 9_990, (cosmetics, 1), (tissues, 2))], now=NOW)
    assert taken_off(answer) == {10: 12_100 - 9_990}
    assert answer.total_amount == 9_990


@pytest.mark.parametrize(
    "cut_by_floors",
    [bundle(10, 1_500, (only(1), 1), (only(2), 1)), off_line(10, 500, match=only(1))],
    ids=lambda rule: rule.kind,
)
def test_what_floors_cut_is_weighed_by_what_it_really_saves(cut_by_floors: Promotion) -> None:
    """It says 5.00 and may take 2.00 at most; the other bundle takes its 3.00 off what has room."""
    narrow = [line(v, 1, 1_000, floor_amount=900) for v in (1, 2)]
    other = bundle(11, 1_700, (only(1), 1), (only(3), 1))
    goods = basket(*narrow, line(3, 1, 1_000))
    answer = quote(goods, [cut_by_floors, other], now=NOW)
    assert taken_off(answer) == {11: 300}
    assert answer.optimality == "proven"


def test_a_bundle_at_or_above_the_sum_of_its_parts_is_not_applied() -> None:
    goods = basket(line(1, 1, 3_000), line(2, 1, 2_000))
    for price_amount, paid in ((4_999, 4_999), (5_000, 5_000), (5_001, 5_000)):
        rule = bundle(10, price_amount, (only(1), 1), (only(2), 1))
        assert quote(goods, [rule], now=NOW).total_amount == paid


def test_the_juicers_cup_feels_like_88_for_1_and_is_88_of_387() -> None:
    """Shown to operators as pairs of integers: the felt return, and the true discount."""
    goods = basket(JUICER, offered=offered(CUP))
    (item,) = quote(goods, [CUP_FOR_100], now=NOW).add_on_items
    assert (item.list_amount, item.price_amount, item.missing_amount) == (8_900, 100, 0)
    assert item.felt_return == (8_800, 100)
    assert item.true_discount == (8_800, 38_700)


def test_a_gift_is_a_line_of_its_own_and_changes_no_price() -> None:
    answer = quote(basket(line(1, 2, 5_000)), [gift(10, 10_000, 50, quantity=2)], now=NOW)
    assert answer.gifts == (GiftLine(uid(10), 1, uid(50), 2),)
    assert (answer.total_amount, answer.applied, answer.not_applied) == (10_000, (), ())


def test_everybody_in_a_ladder_pays_the_least_discounted_tier_at_once() -> None:
    """What a larger group has earned is the difference to the price of the tier it reached."""
    ladder = (LadderTier(5, {uid(1): 8_900}), LadderTier(10, {uid(1): 7_900}))
    setting = GroupPrice(uid(GROUP), 1, {uid(1): 9_900}, ladder)
    answer = quote(basket(line(1, 1, 19_900), price_setting=setting), [], now=NOW)
    assert answer.total_amount == 9_900
    at_success = [setting.amount_at(uid(1), size) for size in (3, 4, 5, 9, 10, 11)]
    assert at_success == [9_900, 9_900, 8_900, 8_900, 7_900, 7_900]


def test_a_refund_of_a_unit_would_pay_back_its_share_and_never_the_list_price() -> None:
    rows = [line(1, 3, 5_000), line(2, 1, 7_001)]
    answer = quote(basket(*rows), [off_order(10, 2_000)], now=NOW)
    for row in answer.lines:
        assert sum(row.unit_share_amounts) == row.payable_amount
        assert max(row.unit_share_amounts) - min(row.unit_share_amounts) <= 1
        assert max(row.unit_share_amounts) < row.list_amount
    assert pays(answer) == [(4_546, 4_545, 4_545), (6_365,)]


def test_a_line_that_is_not_selected_is_not_in_the_basket_and_takes_no_share() -> None:
    """Two selected lines share the whole discount; the third does not lift them over 200.00."""
    promotions = [full(10, (15_000, 1_500), (20_000, 5_000))]
    selected = quote(basket(line(1, 1, 10_000), line(2, 1, 5_000)), promotions, now=NOW)
    assert pays(selected) == [(9_000,), (4_500,)]
    everything = basket(line(1, 1, 10_000), line(2, 1, 5_000), line(3, 1, 5_000))
    assert pays(quote(everything, promotions, now=NOW)) == [(7_500,), (3_750,), (3_750,)]


def test_one_of_two_lines_chosen_alike_has_the_token_price() -> None:
    again = AddOnChoice("again", uid(10), uid(40), 2)
    rule = add_on(10, tier(0, 100, 40, units_max=2))
    goods = basket(line(1, 1, 10_000), add_ons=(chosen(10, 40), again), offered=offered(CUP))
    answer = quote(goods, [rule], now=NOW)
    assert pays(answer) == [(10_000,), (100,), (100, 8_900)]
    assert taken_off(answer) == {10: 2 * 8_800}
