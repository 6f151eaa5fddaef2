"""The layers as examples: which sees what the one before has left, and what each unit pays."""

import pytest

from app.promotions.pricing.basket import (
    MemberPrice,
    Points,
    SoloPrice,
)
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.builders import (
    add_on,
    bundle,
    chosen,
    coupon,
    free_shipping,
    full,
    full_percent,
    gift,
    line,
    off_order,
    offered,
    only,
    percent,
    percent_order,
    shipping_off,
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
        says="a unit without any discount of its own may keep what the order's threshold gives",
        goods=(line(1, 1, 28, floor_amount=14),),
        brings={"coupons": (coupon(11), coupon(15))},
        by=(
            percent_order(10, 1_000),
            full_percent(11, (23, 2_708), (27, 3_032), needs_coupon=True),
            full_percent(12, (4, 139), (24, 3_867)),
            percent(14, 3_000),
            percent(15, 500, needs_coupon=True),
        ),
        off={10: 3, 12: 10, 15: 1},
        pay=((14,),),
    ),
    Example(
        says="a percentage follows the solo price",
        goods=(line(1, 1, 19_900),),
        setting=SoloPrice({uid(1): 15_900}),
        by=(percent(10, 1_000),),
        off={"solo_price": 4_000, 10: 1_590},
        pay=((14_310,),),
    ),
    Example(
        says="a percentage follows the member price",
        goods=(line(1, 1, 10_000), line(2, 1, 1_000)),
        setting=MemberPrice({uid(1): 9_000}),
        by=(percent(10, 1_000),),
        off={"member_price": 1_000, 10: 1_000},
        pay=((8_100,), (900,)),
    ),
    Example(
        says="nothing follows the group price, not even free shipping",
        goods=(line(1, 1, 19_900),),
        setting=GROUP_PRICE,
        by=(percent(10, 1_000), off_order(11, 500), free_shipping(12), gift(13, 0, 50)),
        brings={"shipping_amount": 600},
        off={GROUP: 10_000},
        pay=((9_900,),),
        shipping=600,
    ),
    Example(
        says="a unit is consumed by at most one promotion of the item layer",
        goods=(line(1, 1, 7_680),),
        by=(percent(10, 5_000), percent(11, 3_000)),
        off={10: 3_840},
        pay=((3_840,),),
    ),
    Example(
        says="what the bundle consumes the percentage leaves alone",
        goods=(line(1, 1, 3_000), line(2, 1, 2_000), line(3, 1, 1_000)),
        by=(bundle(10, 4_000, (only(1), 1), (only(2), 1)), percent(11, 1_000)),
        off={10: 1_000, 11: 100},
        pay=((2_400,), (1_600,), (900,)),
    ),
    Example(
        says="half-up per unit: three at 0.05 with 10 percent off pay 0.04 each",
        goods=(line(1, 3, 5),),
        by=(percent(10, 1_000),),
        off={10: 3},
        pay=((4, 4, 4),),
    ),
    Example(
        says="of the order, the percentage is rounded once: 1.5 fen of 15 are 2",
        goods=(line(1, 3, 5),),
        by=(percent_order(10, 1_000),),
        off={10: 2},
        pay=((5, 4, 4),),
    ),
    Example(
        says="all conditions of the order layer see the one subtotal after the item layer",
        goods=(line(1, 2, 10_000),),
        by=(full(10, (20_000, 2_000)), full(11, (20_000, 1_000))),
        off={10: 2_000, 11: 1_000},
        pay=((8_500, 8_500),),
    ),
    Example(
        says="within the order layer percentages come before amounts, whatever their age",
        goods=(line(1, 1, 10_000),),
        by=(off_order(10, 1_000), percent_order(11, 5_000)),
        off={10: 1_000, 11: 5_000},
        pay=((4_000,),),
    ),
    Example(
        says="percentages compound: 76.80 at 50 percent, then 70 percent of that",
        goods=(line(1, 1, 7_680),),
        by=(percent_order(10, 5_000), percent_order(11, 3_000)),
        off={10: 3_840, 11: 1_152},
        pay=((2_688,),),
    ),
    Example(
        says="percentages compound through the coupon layer, too",
        goods=(line(1, 1, 7_680),),
        by=(percent(10, 3_000, needs_coupon=True), percent_order(11, 5_000)),
        brings={"coupons": (coupon(10),)},
        off={10: 1_152, 11: 3_840},
        pay=((2_688,),),
    ),
    Example(
        says="percentages compound through the item and the order layer",
        goods=(line(1, 1, 7_680),),
        by=(percent(10, 5_000), percent_order(11, 3_000)),
        off={10: 3_840, 11: 1_152},
        pay=((2_688,),),
    ),
    Example(
        says="an amount of the order layer comes before a percentage behind a coupon",
        goods=(line(1, 1, 10_000),),
        by=(percent(10, 5_000, needs_coupon=True), off_order(11, 1_000)),
        brings={"coupons": (coupon(10),)},
        off={10: 4_500, 11: 1_000},
        pay=((4_500,),),
    ),
    Example(
        says="a coupon's condition sees the subtotal after the order layer: met",
        goods=(line(1, 1, 10_000),),
        by=(
            full(10, (10_000, 1_000)),
            off_order(11, 500, minimum=Minimum(9_000), needs_coupon=True),
        ),
        brings={"coupons": (coupon(11),)},
        off={10: 1_000, 11: 500},
        pay=((8_500,),),
    ),
    Example(
        says="a coupon's condition sees the subtotal after the order layer: one fen short",
        goods=(line(1, 1, 10_000),),
        by=(
            full(10, (10_000, 1_000)),
            off_order(11, 500, minimum=Minimum(9_001), needs_coupon=True),
        ),
        brings={"coupons": (coupon(11),)},
        off={10: 1_000},
        pay=((9_000,),),
        is_proven=False,
    ),
    Example(
        says="layers are optimised together: a discount is given up for the threshold's sake",
        goods=(line(1, 3, 8_000),),
        by=(percent(10, 2_000), full(11, (20_000, 3_000))),
        off={10: 3_200, 11: 3_000},
        pay=((5_400, 5_400, 7_000),),
    ),
    Example(
        says="layers are optimised together: the order's amount is given up for the coupon's",
        goods=(line(1, 1, 10_000),),
        by=(off_order(10, 100), full(11, (10_000, 3_000), needs_coupon=True)),
        brings={"coupons": (coupon(11),)},
        off={11: 3_000},
        pay=((7_000,),),
    ),
    Example(
        says="an add-on never helps to qualify itself, nor its shipping",
        goods=(line(1, 1, 29_800),),
        by=(CUP_FOR_100, free_shipping(31, 29_801)),
        brings={**WITH_CUP, "shipping_amount": 600},
        off={30: 8_800},
        pay=((29_800,), (100,)),
        shipping=600,
    ),
    Example(
        says="an add-on's condition sees the goods after the coupon",
        goods=(line(1, 1, 30_000),),
        by=(off_order(10, 201, needs_coupon=True), add_on(30, tier(29_800, 8_800, 40))),
        brings={**WITH_CUP, "coupons": (coupon(10),)},
        off={10: 201},
        pay=((29_799,), (8_900,)),
        is_proven=False,
    ),
    Example(
        says="points pay goods and add-ons after all discounts, by what each pile costs",
        goods=(line(1, 1, 29_900),),
        by=(off_order(10, 100), CUP_FOR_100),
        brings={**WITH_CUP, "points": Points(2_990), "shipping_amount": 600},
        off={10: 100, 30: 8_800, "points": 2_990},
        pay=((26_820,), (90,)),
        shipping=600,
    ),
    Example(
        says="points keep no threshold from being met: shipping looks at the goods before them",
        goods=(line(1, 1, 10_000),),
        by=(free_shipping(10, 10_000),),
        brings={"points": Points(9_000), "shipping_amount": 600},
        off={10: 600, "points": 9_000},
        pay=((1_000,),),
    ),
    Example(
        says="the shipping's threshold sees the goods after the coupon",
        goods=(line(1, 1, 10_000),),
        by=(off_order(10, 1_000, needs_coupon=True), free_shipping(11, 9_001)),
        brings={"coupons": (coupon(10),), "shipping_amount": 600},
        off={10: 1_000},
        pay=((9_000,),),
        shipping=600,
        is_proven=False,
    ),
    Example(
        says="shipping discounts follow one another, the older first, to nothing at most",
        goods=(line(1, 1, 10_000),),
        by=(shipping_off(10, 400), shipping_off(11, 400)),
        brings={"shipping_amount": 600},
        off={10: 400, 11: 200},
        pay=((10_000,),),
    ),
    Example(
        says="no combination of layers crosses the floor",
        goods=(line(1, 1, 10_000, floor_amount=7_000),),
        by=(
            percent(10, 2_000),
            off_order(11, 500),
            off_order(12, 5_000, needs_coupon=True),
        ),
        brings={"coupons": (coupon(12),)},
        off={10: 2_000, 12: 1_000},
        pay=((7_000,),),
    ),
    Example(
        says="the shop's cap: 60 percent off, of which the shop allows 30",
        goods=(line(1, 1, 6_000), line(2, 1, 4_000)),
        by=(percent(10, 6_000),),
        terms=Terms(discount_cap_bp=3_000),
        off={10: 6_000, "discount_cap": -3_000},
        pay=((4_200,), (2_800,)),
    ),
    Example(
        says="a line that is not meant takes no share",
        goods=(line(1, 1, 1_000), line(2, 1, 9_000)),
        by=(off_order(10, 100, match=only(1)),),
        off={10: 100},
        pay=((900,), (9_000,)),
    ),
    Example(
        says="equal shares: the odd fen goes off the older variant, in any order of lines",
        goods=(line(2, 1, 1_000), line(1, 1, 1_000)),
        by=(off_order(10, 101),),
        off={10: 101},
        pay=((950,), (949,)),
    ),
    Example(
        says="what a floor keeps one unit from taking the others take",
        goods=(line(1, 1, 1_000, floor_amount=900), line(2, 1, 1_000)),
        by=(off_order(10, 600),),
        off={10: 600},
        pay=((900,), (500,)),
    ),
    Example(
        says="nobody pays less than nothing",
        goods=(line(1, 1, 3_000),),
        by=(off_order(10, 5_000),),
        off={10: 3_000},
        pay=((0,),),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.says)
def test_what_each_unit_pays(example: Example) -> None:
    example.check()
