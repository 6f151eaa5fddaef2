"""Each mechanic by its worked examples, at, below and above what it asks for."""

import pytest

from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import BasketLine
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.engine import quote
from app.promotions.pricing.match import Match
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier
from tests.promotions.pricing.builders import NOW, basket, ids, line, percent, uid


def price(*rows: BasketLine, by: list[Promotion]) -> Quote:
    answer = quote(basket(*rows), by, now=NOW)
    assert answer.optimality == "proven"
    return answer


def only(*variants: int) -> Match:
    return Match(variant_ids=ids(variants))


def buy(n: int, get: int, **fields: object) -> BuyNGetM:
    return BuyNGetM(id=uid(50), version=1, buy=n, get=get, **fields)  # type: ignore[arg-type]


def full_minus(threshold: int, off: int, **fields: object) -> SpendThreshold:
    tiers = (Tier(threshold, off_amount=off),)
    return SpendThreshold(id=uid(60), version=1, tiers=tiers, **fields)  # type: ignore[arg-type]


def reason(answer: Quote, number: int) -> tuple[str, dict[str, object]]:
    [row] = [row for row in answer.not_applied if row.promotion_id == uid(number)]
    return row.code, dict(row.params)


def test_buy_two_get_one_gives_the_two_cheapest_of_seven() -> None:
    rows = [line(v, 1, 1000 * v) for v in range(1, 8)]
    answer = price(*rows, by=[buy(2, 1)])
    assert answer.goods_discount_amount == 1000 + 2000
    assert answer.applied[0].units == 6, "two given and four paid are consumed"


@pytest.mark.parametrize(("units", "payable"), [(2, 2000), (3, 2000), (4, 3000), (6, 4000)])
def test_buy_two_get_one_counts_whole_threes(units: int, payable: int) -> None:
    assert price(line(1, units, 1000), by=[buy(2, 1)]).total_amount == payable


def test_buy_n_get_m_at_half_price_and_no_more_than_so_often() -> None:
    assert price(line(1, 4, 1000), by=[buy(1, 1, off_bp=5000)]).total_amount == 3000
    assert price(line(1, 4, 1000), by=[buy(1, 1, times_max=1)]).total_amount == 3000


def test_what_another_promotion_consumes_does_not_count_among_the_n() -> None:
    half_off_the_cheap = percent(40, 5000, match=only(1))
    answer = price(line(1, 1, 100), line(2, 2, 900), by=[half_off_the_cheap, buy(1, 1)])
    assert answer.total_amount == 50 + 900, "the cheap one is not wasted as the gift"


def test_a_saving_on_free_units_is_spread_over_all_that_were_consumed() -> None:
    answer = price(line(1, 1, 3000), line(2, 1, 1000), by=[buy(1, 1)])
    assert [row.unit_share_amounts for row in answer.lines] == [(2250,), (750,)]


def test_one_may_take_at_a_loss_what_is_cheaper_than_the_gift_of_another() -> None:
    """The cheap unit without room would have to be the gift, unless the second promotion has it."""
    rows = [
        line(4, 2, 9_900),
        line(2, 1, 22, floor_amount=22),
        line(1, 2, 5),
        line(3, 1, 5, floor_amount=5),
    ]
    second = BuyNGetM(id=uid(51), version=1, buy=2, get=1, times_max=1)
    small = AmountOffUnit(id=uid(52), version=1, off_amount=1_000)
    answer = quote(basket(*rows), [buy(1, 2), second, small], now=NOW)
    assert answer.total_amount == 9_910
    rows = [line(1, 4, 9), line(2, 3, 5, floor_amount=5)]
    third = BuyNGetM(id=uid(51), version=1, buy=3, get=1, off_bp=1_352)
    tenth = percent(52, 1_000, match=only(1))
    assert price(*rows, by=[buy(2, 1, times_max=1), third, tenth]).total_amount == 41


@pytest.mark.parametrize(("times", "least"), [(1, 1_180), (10, 11_800)])
def test_free_units_are_looked_for_where_the_dearer_ones_run_out(times: int, least: int) -> None:
    """Ninety percent off the cheap ones leaves no gain for all together, but all for the others."""
    rows = (line(1, 20 * times, 100), line(2, 180 * times, 10))
    answer = quote(basket(*rows), [buy(1, 1), percent(40, 9_000, match=only(2))], now=NOW)
    assert answer.total_amount == least
    assert answer.bound_amount <= least


def test_a_price_of_a_contested_unit_never_falls_under_its_reserve() -> None:
    half = buy(1, 1, off_bp=5_000)
    rows = (line(2, 3, 21), line(4, 3, 5, floor_amount=5))
    assert price(*rows, by=[half, percent(40, 2_000)]).total_amount == 64


def bundle_ab(**fields: object) -> Bundle:
    parts = (BundlePart(only(1), 1), BundlePart(only(2), 1))
    return Bundle(id=uid(70), version=1, parts=parts, price_amount=4000, **fields)  # type: ignore[arg-type]


def test_two_sets_of_a_bundle_are_split_by_list_price() -> None:
    answer = price(line(1, 2, 3000), line(2, 2, 2000), by=[bundle_ab()])
    assert answer.total_amount == 8000
    assert [row.payable_amount for row in answer.lines] == [4800, 3200]


def test_a_bundle_takes_whole_sets_only_and_says_what_is_missing() -> None:
    assert price(line(1, 3, 3000), line(2, 1, 2000), by=[bundle_ab()]).total_amount == 10_000
    assert price(line(1, 4, 3000), line(2, 4, 2000), by=[bundle_ab(times_max=1)]).total_amount == (
        19_000
    )
    alone = price(line(1, 3, 3000), by=[bundle_ab()])
    assert reason(alone, 70) == ("needs_units", {"missing_units": 1})
    elsewhere = price(line(1, 1, 3000), line(2, 1, 2000), by=[bundle_ab(match=only(1))])
    assert reason(elsewhere, 70) == ("needs_units", {"missing_units": 1})
    twice = (BundlePart(Match(), 2), BundlePart(Match(), 2))
    four = Bundle(id=uid(71), version=1, parts=twice, price_amount=100)
    assert reason(price(line(1, 2, 1000), by=[four]), 71) == ("needs_units", {"missing_units": 2})


def test_sets_that_were_not_listed_are_in_the_bound_and_mostly_found() -> None:
    any_two = Bundle(id=uid(71), version=1, parts=(BundlePart(Match(), 2),), price_amount=1_500)
    rows = [line(variant, 3, 1_000 - variant) for variant in range(1, 101)]
    assert price(*rows, by=[any_two]).total_amount == 150 * 1_500
    goods = [line(variant, 1, 1_000) for variant in range(1, 61)]
    mixed = (BundlePart(Match(), 20), BundlePart(only(60), 1), BundlePart(only(99), 1))
    never = Bundle(id=uid(72), version=1, parts=mixed, price_amount=1)
    answer = quote(basket(*goods), [never], now=NOW)
    assert answer.total_amount == 60_000


@pytest.mark.parametrize("rare", [99, 1], ids=["absent", "the dearest, which any part may take"])
def test_a_part_that_is_hard_to_fill_does_not_hold_up_the_quote(rare: int) -> None:
    """Sixty lines in twenties are more choices than anybody could look at."""
    parts = (BundlePart(Match(), 20), BundlePart(only(rare), 1))
    bundle = Bundle(id=uid(71), version=1, parts=parts, price_amount=1)
    rows = [line(variant, 1, 9000 - variant) for variant in range(1, 61)]
    answer = quote(basket(*rows), [bundle], now=NOW)
    assert (answer.goods_discount_amount > 0) is (rare == 1)


def test_a_unit_fills_one_part_of_one_bundle() -> None:
    any_two = Bundle(id=uid(71), version=1, parts=(BundlePart(Match(), 2),), price_amount=1500)
    answer = price(line(1, 1, 1000), line(2, 1, 900), line(3, 1, 800), by=[any_two])
    assert answer.total_amount == 1500 + 800, "the two dearest, of three"


@pytest.mark.parametrize(
    ("amount", "total"), [(19_999, 19_999), (20_000, 18_000), (20_001, 18_001)]
)
def test_a_threshold_is_inclusive_to_the_minor_unit(amount: int, total: int) -> None:
    answer = price(line(1, 1, amount), by=[full_minus(20_000, 2_000)])
    assert answer.total_amount == total
    if amount == 19_999:
        assert reason(answer, 60) == ("needs_amount", {"missing_amount": 1})


def test_only_the_highest_tier_met_applies() -> None:
    tiers = (Tier(10_000, off_bp=1000), Tier(20_000, off_bp=2000))
    rule = SpendThreshold(id=uid(61), version=1, tiers=tiers)
    assert price(line(1, 1, 19_999), by=[rule]).total_amount == 17_999
    assert price(line(1, 1, 20_000), by=[rule]).total_amount == 16_000


def test_a_repeated_threshold_gives_for_each_time_met() -> None:
    rule = full_minus(10_000, 1_500, repeat=True)
    totals = [price(line(1, 1, a), by=[rule]).total_amount for a in (9_999, 29_999, 30_000)]
    assert totals == [9_999, 26_999, 25_500]


def test_percentages_of_the_order_compound() -> None:
    half = SpendThreshold(id=uid(62), version=1, tiers=(Tier(1, off_bp=5000),))
    third = SpendThreshold(id=uid(63), version=1, tiers=(Tier(1, off_bp=3000),))
    assert price(line(1, 1, 7680), by=[half, third]).total_amount == 2688


def test_percentages_come_before_amounts_whatever_their_age() -> None:
    amount = AmountOffOrder(id=uid(61), version=1, off_amount=1000)
    half = SpendThreshold(id=uid(62), version=1, tiers=(Tier(1, off_bp=5000),))
    assert price(line(1, 1, 10_000), by=[amount, half]).total_amount == 4000


def test_a_discount_is_given_up_where_it_would_lose_more_of_the_order() -> None:
    """Three at 80.00, 20 % off each, 30.00 off from 200.00: two of the three are discounted."""
    answer = price(line(1, 3, 8000), by=[percent(40, 2000), full_minus(20_000, 3_000)])
    assert answer.total_amount == 2 * 6400 + 8000 - 3000
    assert [(row.kind, row.units) for row in answer.applied] == [
        ("percent_off", 2),
        ("spend_threshold", 3),
    ]


@pytest.mark.parametrize(("threshold", "total"), [(22_400, 18_400), (22_401, 19_200)])
def test_a_discount_may_bring_the_order_down_to_the_threshold_and_no_further(
    threshold: int, total: int
) -> None:
    """One of three may be discounted; a minor unit more, and giving up the order's is cheaper."""
    answer = price(line(1, 3, 8000), by=[percent(40, 2000), full_minus(threshold, 4_000)])
    assert answer.total_amount == total


def test_the_best_set_first_is_not_always_best_by_a_single_minor_unit() -> None:
    def pair(number: int, one: int, other: int, gain: int) -> Bundle:
        parts = (BundlePart(only(one), 1), BundlePart(only(other), 1))
        return Bundle(id=uid(number), version=1, parts=parts, price_amount=2000 - gain)

    rows = [line(variant, 1, 1000) for variant in (1, 2, 3, 4)]
    offers: list[Promotion] = [pair(70, 1, 2, 10), pair(71, 1, 3, 8), pair(72, 2, 4, 3)]
    assert price(*rows, by=offers).total_amount == 4000 - 11


def test_an_amount_off_a_unit_a_line_and_the_order() -> None:
    rows = (line(1, 2, 1000), line(2, 1, 500))
    unit = AmountOffUnit(id=uid(41), version=1, off_amount=300)
    whole = AmountOffLine(id=uid(41), version=1, off_amount=300)
    order = AmountOffOrder(id=uid(41), version=1, off_amount=300)
    found = {kind: price(*rows, by=[kind]) for kind in (unit, whole, order)}
    assert [answer.total_amount for answer in found.values()] == [1600, 1900, 2200]
    assert [row.unit_share_amounts for row in found[order].lines] == [(880, 880), (440,)]


def test_no_unit_goes_under_its_floor_and_others_take_what_it_cannot() -> None:
    order = AmountOffOrder(id=uid(41), version=1, off_amount=600)
    rows = (line(1, 1, 1000, floor_amount=900), line(2, 1, 1000))
    answer = price(*rows, by=[order])
    assert [row.payable_amount for row in answer.lines] == [900, 500]
    narrow = (line(1, 1, 1000, floor_amount=900), line(2, 1, 1000, floor_amount=950))
    assert price(*narrow, by=[order]).total_amount == 1850, "what none can take is not given"


def test_exclusive_ones_compete_alone() -> None:
    alone = full_minus(700, 700, exclusive=True)
    ten = percent(40, 1000)
    assert price(line(1, 1, 6000), by=[ten, alone]).total_amount == 5300
    assert price(line(1, 1, 8000), by=[ten, alone]).total_amount == 7200


def test_many_units_of_one_kind_are_priced_by_count() -> None:
    answer = price(line(1, 9_999, 100), by=[percent(40, 1000), buy(2, 1), bundle_ab()])
    assert answer.total_amount == 9_999 * 100 - 3_333 * 100
    assert len(answer.lines[0].unit_share_amounts) == 9_999


@pytest.mark.parametrize(
    "make",
    [
        lambda: buy(0, 1),
        lambda: buy(1, 0),
        lambda: buy(1, 1, off_bp=10_001),
        lambda: AmountOffUnit(id=uid(1), version=1, off_amount=0),
        lambda: AmountOffLine(id=uid(1), version=1, off_amount=-1),
        lambda: AmountOffOrder(id=uid(1), version=1, off_amount=10**13),
        lambda: Bundle(id=uid(1), version=1, parts=(), price_amount=1),
        lambda: Bundle(id=uid(1), version=1, parts=(BundlePart(Match(), 1),), price_amount=1),
        lambda: SpendThreshold(id=uid(1), version=1, tiers=()),
        lambda: SpendThreshold(id=uid(1), version=1, tiers=(Tier(0, off_amount=1),)),
        lambda: SpendThreshold(id=uid(1), version=1, tiers=(Tier(10),)),
        lambda: SpendThreshold(id=uid(1), version=1, tiers=(Tier(10, off_amount=11),)),
        lambda: SpendThreshold(id=uid(1), version=1, tiers=(Tier(10, off_amount=1, off_bp=1),)),
        lambda: SpendThreshold(
            id=uid(1), version=1, tiers=(Tier(20, off_amount=1), Tier(10, off_amount=2))
        ),
        lambda: SpendThreshold(
            id=uid(1), version=1, tiers=(Tier(10, off_amount=2), Tier(20, off_amount=1))
        ),
        lambda: SpendThreshold(
            id=uid(1), version=1, tiers=(Tier(10, off_amount=2), Tier(20, off_bp=1))
        ),
    ],
)
def test_a_rule_that_cannot_be_meant_is_not_made(make: object) -> None:
    with pytest.raises(ValueError, match=r"outside|tier|rise|percentage"):
        make()  # type: ignore[operator]
