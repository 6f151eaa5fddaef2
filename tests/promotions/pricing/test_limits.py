"""Percentages by count, caps, limits of units and budgets, at, below and above their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.amount_off import AmountOffUnit
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Basket, BasketLine, SoloPrice
from app.promotions.pricing.components import SetOffer
from app.promotions.pricing.engine import quote
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.offers import Facts, UnitOffer, offer_of
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from app.promotions.pricing.terms import Left
from app.promotions.pricing.units import unit_types
from tests.promotions.pricing import unit_by_unit
from tests.promotions.pricing.builders import NOW, basket, ids, line, percent, uid
from tests.promotions.pricing.strategies import handfuls, mixed_rules


def price(*rows: BasketLine, by: list[Promotion]) -> Quote:
    answer = quote(basket(*rows), by, now=NOW)
    assert answer.optimality == "proven"
    return answer


def ladder(*steps: tuple[int, int], **fields: object) -> PercentOff:
    rungs = tuple(LadderStep(units, off_bp) for units, off_bp in steps)
    return PercentOff(id=uid(40), version=1, ladder=rungs, **fields)  # type: ignore[arg-type]


TWO_THREE = ((2, 1_000), (3, 2_000))


@pytest.mark.parametrize(("units", "total"), [(1, 999), (2, 1_798), (3, 2_397), (5, 3_995)])
def test_the_highest_step_met_holds_for_all_units(units: int, total: int) -> None:
    """One unit at 9.99: 10 % off each of two is 1.00 each, half-up; 20 % off each of three 2.00."""
    assert price(line(1, units, 999), by=[ladder(*TWO_THREE)]).total_amount == total


def test_a_ladder_counts_across_lines_and_says_what_is_missing() -> None:
    rows = (line(1, 1, 1_000), line(2, 1, 500), line(3, 1, 300))
    assert price(*rows, by=[ladder(*TWO_THREE)]).total_amount == 1_440
    [row] = price(*rows[:1], by=[ladder(*TWO_THREE)]).not_applied
    assert (row.code, row.params) == ("needs_units", (("missing_units", 1),))
    only = ladder(*TWO_THREE, match=Match(variant_ids=ids([2])))
    [row] = price(*rows, by=[only]).not_applied
    assert (row.code, row.params) == ("needs_units", (("missing_units", 1),))


def test_a_ladder_counts_a_unit_at_its_floor() -> None:
    rows = (line(1, 1, 1_000), line(2, 1, 500, floor_amount=500))
    answer = price(*rows, by=[ladder(*TWO_THREE)])
    assert [row.payable_amount for row in answer.lines] == [900, 500]


def test_a_unit_goes_where_it_lifts_the_others_to_a_step() -> None:
    """The cheap one saves 60 elsewhere and only 20 here, but makes three of two here."""
    better = percent(41, 6_000, match=Match(variant_ids=ids([2])))
    answer = price(line(1, 2, 1_000), line(2, 1, 100), by=[ladder(*TWO_THREE), better])
    assert answer.total_amount == 2_100 - 420
    assert [row.promotion_id for row in answer.applied] == [uid(40)]
    dearer = percent(41, 6_000, match=Match(variant_ids=ids([2])))
    answer = price(line(1, 2, 1_000), line(2, 1, 700), by=[ladder(*TWO_THREE), dearer])
    assert answer.total_amount == 2_700 - 200 - 420, "but not at any price"


def test_a_ladder_is_never_used_at_a_rate_whose_step_is_not_met() -> None:
    rows = (line(1, 1, 900), line(2, 1, 900))
    taken = percent(41, 1_500, match=Match(variant_ids=ids([2])))
    assert price(*rows, by=[ladder((2, 500), (3, 9_000)), taken]).total_amount == 900 + 765


def test_a_step_that_is_met_cannot_be_declined_for_a_lower_rate() -> None:
    """Both at the lower rate would keep the threshold; only one of them may have it."""
    rule = ladder((1, 1_000), (2, 1_200))
    threshold = SpendThreshold(id=uid(60), version=1, tiers=(Tier(1_800, off_amount=300),))
    assert price(line(1, 2, 1_000), by=[rule, threshold]).total_amount == 1_900 - 300


def test_a_limit_of_units_holds_where_another_one_wants_all_or_nothing() -> None:
    one_unit = AmountOffUnit(id=uid(41), version=1, off_amount=27, units_max=1)
    answer = price(line(1, 3, 23), by=[one_unit, ladder((3, 2_000))])
    assert answer.total_amount == 46


@pytest.mark.parametrize(("cap", "off"), [(399, 399), (400, 400), (401, 400)])
def test_a_cap_on_the_line_sees_merged_lines(cap: int, off: int) -> None:
    rows = [line(1, 1, 1_000, key="a"), line(1, 1, 1_000, key="b"), line(2, 1, 500)]
    rule = percent(40, 2_000, line_off_max_amount=cap)
    assert price(*rows, by=[rule]).goods_discount_amount == off + 100


@pytest.mark.parametrize(("cap", "off"), [(299, 299), (300, 300), (301, 300)])
def test_a_cap_on_the_order_is_for_all_lines_together(cap: int, off: int) -> None:
    rule = percent(40, 1_000, order_off_max_amount=cap)
    assert price(line(1, 2, 1_000), line(2, 1, 1_000), by=[rule]).goods_discount_amount == off


def test_a_capped_saving_is_spread_by_list_price_to_none_more_than_its_own() -> None:
    rule = percent(40, 5_000, order_off_max_amount=1_000)
    answer = price(line(1, 1, 2_000), line(2, 1, 1_000), line(3, 1, 0), by=[rule])
    assert [row.payable_amount for row in answer.lines] == [1_333, 667, 0]
    rows = (line(1, 1, 2_000, floor_amount=1_900), line(2, 1, 1_000))
    capped = percent(40, 5_000, order_off_max_amount=550)
    assert [row.payable_amount for row in price(*rows, by=[capped]).lines] == [1_900, 550]


def test_what_the_line_may_not_take_goes_to_the_others() -> None:
    rule = percent(40, 5_000, line_off_max_amount=100, order_off_max_amount=180)
    rows = (line(1, 1, 9_000), line(2, 1, 1_000, floor_amount=920))
    answer = price(*rows, by=[rule])
    assert [row.payable_amount for row in answer.lines] == [8_900, 920]
    solo = SoloPrice({uid(1): 100, uid(2): 1_000})
    goods = basket(line(1, 1, 1_000), line(2, 1, 1_000), price_setting=solo)
    capped = percent(40, 5_000, order_off_max_amount=520)
    answer = quote(goods, [capped], now=NOW)
    assert [row.payable_amount for row in answer.lines] == [50, 530], "never more than its own"


def test_a_capped_one_leaves_to_others_what_they_can_do_as_well() -> None:
    """Half off is capped at what one unit saves, so the others are for the smaller percentage."""
    half = percent(40, 5_000, order_off_max_amount=500)
    answer = price(line(1, 3, 1_000), by=[half, percent(41, 1_000)])
    assert answer.total_amount == 3_000 - 500 - 200
    assert [(row.promotion_id, row.units) for row in answer.applied] == [(uid(40), 1), (uid(41), 2)]


@pytest.mark.parametrize(("units_max", "off"), [(1, 900), (2, 1_700), (3, 2_400), (4, 2_400)])
def test_so_many_units_are_the_dearest_ones(units_max: int, off: int) -> None:
    rows = [line(1, 1, 9_000), line(2, 1, 8_000), line(3, 1, 7_000)]
    tenth = percent(40, 1_000, units_max=units_max)
    assert price(*rows, by=[tenth]).goods_discount_amount == off


def test_an_amount_off_each_of_so_many_units() -> None:
    rule = AmountOffUnit(id=uid(40), version=1, off_amount=300, units_max=2)
    assert price(line(1, 2, 1_000), line(2, 2, 200), by=[rule]).goods_discount_amount == 600


def test_a_ladder_composes_with_caps_and_a_limit_of_units() -> None:
    rule = ladder((2, 1_000), (3, 5_000), units_max=3, line_off_max_amount=700)
    answer = price(line(1, 4, 1_000), line(2, 1, 600), by=[rule])
    assert answer.goods_discount_amount == 700 + 300, "two of one line and one of the other"


def test_a_limit_that_cannot_be_met_leaves_units_independent() -> None:
    types = unit_types(basket(line(1, 2, 1_000), line(2, 1, 500)))
    index = LineIndex([unit.line for unit in types])

    def kind(rule: Promotion, budget: int | None = None) -> type:
        left = {rule.id: Left(budget_amount=budget)}
        return type(offer_of(rule, types, Facts(types, index, {}, left)))

    assert kind(percent(40, 1_000)) is UnitOffer
    assert kind(percent(40, 1_000, order_off_max_amount=250)) is UnitOffer
    assert kind(percent(40, 1_000, order_off_max_amount=249)) is SetOffer
    assert kind(percent(40, 1_000, line_off_max_amount=199)) is SetOffer
    assert kind(percent(40, 1_000, units_max=3)) is UnitOffer
    assert kind(percent(40, 1_000, units_max=2)) is SetOffer
    assert kind(percent(40, 1_000), 250) is UnitOffer
    assert kind(percent(40, 1_000), 249) is SetOffer
    assert kind(ladder((1, 1_000))) is UnitOffer
    assert kind(ladder((2, 1_000))) is SetOffer


@pytest.mark.parametrize("number", [1, 3])
def test_limits_on_many_units_stay_within_the_limit_of_work(number: int) -> None:
    rows = [line(variant, 9_999, 10_000 - variant) for variant in range(1, 101)]
    rules: list[Promotion] = [
        PercentOff(
            id=uid(40 + n),
            version=1,
            ladder=tuple(LadderStep(100 * k + n + 1, 100 * k + 100) for k in range(10)),
            line_off_max_amount=5_000_000 + n,
            order_off_max_amount=90_000_000 - n,
            units_max=5_000 + n,
        )
        for n in range(number)
    ]
    answer = quote(basket(*rows), rules, now=NOW)
    assert answer.goods_discount_amount > 0
    assert answer.bound_amount <= answer.total_amount


@pytest.mark.parametrize(
    "make",
    [
        lambda: PercentOff(id=uid(1), version=1),
        ladder,
        lambda: ladder((2, 1_000), off_bp=1_000),
        lambda: ladder((2, 1_000), (2, 2_000)),
        lambda: ladder((3, 1_000), (2, 2_000)),
        lambda: ladder((2, 2_000), (3, 2_000)),
        lambda: ladder((2, 2_000), (3, 10_001)),
        lambda: ladder((0, 2_000)),
        lambda: ladder((2, 0)),
        lambda: ladder((2, 1_000), (5, 2_000), units_max=4),
        lambda: ladder(*((n, n) for n in range(1, 12))),
        lambda: percent(1, 1_000, units_max=0),
        lambda: percent(1, 1_000, line_off_max_amount=0),
        lambda: percent(1, 1_000, order_off_max_amount=0),
        lambda: AmountOffUnit(id=uid(1), version=1, off_amount=1, units_max=0),
    ],
)
def test_limits_that_cannot_be_meant_are_not_made(make: object) -> None:
    with pytest.raises(ValueError, match=r"outside|ladder"):
        make()  # type: ignore[operator]


@given(handfuls(), mixed_rules(), st.lists(st.integers(1, 60) | st.none(), min_size=4, max_size=4))
def test_what_is_left_of_a_budget_clips_what_a_promotion_takes_off(
    goods: Basket, rules: list[Promotion], amounts: list[int | None]
) -> None:
    items = [rule for rule in rules if isinstance(rule, unit_by_unit.ITEM)]
    budgets = dict(zip((rule.id for rule in items), amounts, strict=False))
    left = {id_: Left(budget_amount=amount) for id_, amount in budgets.items()}
    answer = quote(goods, items, now=NOW, left=left)
    least = unit_by_unit.least_total(goods, items, budgets)
    assert answer.bound_amount <= least <= answer.total_amount
    for row in answer.applied:
        budget = budgets[row.promotion_id] if row.promotion_id else None
        assert budget is None or row.amount <= budget
