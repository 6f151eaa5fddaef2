"""Every reason for not applying a promotion, at its edge, with its parameters."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from app.promotions.pricing.answer import NotApplied
from app.promotions.pricing.basket import BasketLine, Buyer, SoloPrice
from app.promotions.pricing.engine import quote
from app.promotions.pricing.group_price import GroupPrice
from app.promotions.pricing.match import Match
from tests.promotions.pricing.builders import ANYONE, NOW, basket, ids, line, percent, uid

FEN = timedelta(microseconds=1)
SHANGHAI = timezone(timedelta(hours=8))


def refusals(*, buyer: Buyer = ANYONE, **fields: Any) -> tuple[NotApplied, ...]:
    """Price one unit at 5000 with one promotion, and check that refused means untouched."""
    answer = quote(basket(line(1), buyer=buyer), [percent(10, 2000, **fields)], now=NOW)
    assert answer.total_amount == (5000 if answer.not_applied else 4000)
    assert (answer.applied == ()) == bool(answer.not_applied)
    return answer.not_applied


def test_the_window_includes_its_start() -> None:
    assert refusals(starts_at=NOW) == ()
    (row,) = refusals(starts_at=(NOW + FEN).astimezone(SHANGHAI))
    assert (row.code, row.params) == (
        "not_started",
        (("starts_at", "2025-06-18T04:00:00.000001+00:00"),),
    )


def test_the_window_excludes_its_end() -> None:
    assert refusals(ends_at=NOW + FEN) == ()
    (row,) = refusals(ends_at=NOW)
    assert (row.code, row.params) == ("ended", (("ends_at", "2025-06-18T04:00:00+00:00"),))


def test_new_buyers_only_looks_at_paid_orders() -> None:
    assert refusals(new_buyers_only=True) == ()
    (row,) = refusals(new_buyers_only=True, buyer=replace(ANYONE, paid_orders=1))
    assert (row.code, row.params) == ("new_buyers_only", (("paid_orders", 1),))


def test_one_shared_community_is_enough() -> None:
    wanted = ids([21, 20])
    assert refusals(community_ids=wanted, buyer=replace(ANYONE, community_ids=ids([21, 5]))) == ()
    (row,) = refusals(community_ids=wanted, buyer=replace(ANYONE, community_ids=ids([5])))
    assert row.code == "not_in_community"
    assert row.params == (("community_ids", (str(uid(20)), str(uid(21)))),)


def test_one_shared_member_tag_is_enough() -> None:
    wanted = frozenset({"vip", "parent"})
    assert refusals(member_tags_any=wanted, buyer=replace(ANYONE, tags=frozenset({"vip"}))) == ()
    (row,) = refusals(member_tags_any=wanted)
    assert (row.code, row.params) == ("tags_missing", (("tags", ("parent", "vip")),))


def test_goods_outside_the_match() -> None:
    (row,) = refusals(match=Match(variant_ids=ids([2])))
    assert (row.code, row.params) == ("no_matching_units", ())
    assert (row.promotion_id, row.promotion_version, row.kind) == (uid(10), 1, "percent_off")


def test_a_discount_that_rounds_to_nothing_is_no_saving() -> None:
    answer = quote(basket(line(1, 5, 4)), [percent(10, 1000)], now=NOW)
    assert [row.code for row in answer.not_applied] == ["no_saving"]
    assert (answer.applied, answer.total_amount) == ((), 20)


def test_the_loser_names_the_promotions_that_have_its_units() -> None:
    goods = basket(line(1), line(2), line(3))
    promotions = [
        percent(10, 3000, match=Match(variant_ids=ids([1]))),
        percent(11, 3000, match=Match(variant_ids=ids([2]))),
        percent(12, 3000, match=Match(variant_ids=ids([3]))),
        percent(13, 1000, match=Match(variant_ids=ids([1, 2]))),
        percent(14, 100, exclusive=True),
    ]
    answer = quote(goods, promotions, now=NOW)
    winners = tuple(str(uid(number)) for number in (10, 11, 12))
    assert [(row.promotion_id, row.code, row.params) for row in answer.not_applied] == [
        (uid(13), "lost_to_better", (("promotion_ids", winners[:2]),)),
        (uid(14), "lost_to_better", (("promotion_ids", winners),)),
    ]


def test_all_others_lose_to_an_exclusive_promotion_even_on_goods_it_does_not_touch() -> None:
    alone = percent(10, 9000, exclusive=True, match=Match(variant_ids=ids([1])))
    other = percent(11, 1000, match=Match(variant_ids=ids([2])))
    answer = quote(basket(line(1), line(2)), [alone, other], now=NOW)
    (row,) = answer.not_applied
    assert (row.code, row.params) == ("lost_to_better", (("promotion_ids", (str(uid(10)),)),))


def test_the_window_is_told_before_the_group_price_and_that_before_the_buyer() -> None:
    setting = GroupPrice(uid(900), 1, {uid(1): 3000})
    promotions = [
        percent(10, 2000, ends_at=NOW),
        percent(11, 2000, community_ids=ids([20]), match=Match(variant_ids=ids([2]))),
    ]
    answer = quote(basket(line(1), price_setting=setting), promotions, now=NOW)
    assert [row.code for row in answer.not_applied] == ["ended", "denied_by_price_setting"]
    assert answer.total_amount == 3000


@pytest.mark.parametrize(
    "fields",
    [
        {"off_bp": 0},
        {"off_bp": 10_001},
        {"starts_at": datetime(2025, 1, 1)},  # noqa: DTZ001 - the naive value is the point
        {"starts_at": NOW, "ends_at": NOW},
    ],
)
def test_a_promotion_that_makes_no_sense_is_a_callers_mistake(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"off_bp|aware|before"):
        percent(10, **{"off_bp": 2000, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 0},
        {"list_amount": -1},
        {"list_amount": 10**12 + 1},
        {"floor_amount": -1},
    ],
)
def test_a_line_out_of_bounds_is_a_callers_mistake(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="outside"):
        line(1, **fields)


@pytest.mark.parametrize(
    "lines",
    [
        [line(number) for number in range(101)],
        [line(1, 10_000)],
        [line(1), line(2, key="line-1")],
    ],
)
def test_a_basket_out_of_bounds_is_a_callers_mistake(lines: list[BasketLine]) -> None:
    with pytest.raises(ValueError, match=r"more than|above|share a key"):
        basket(*lines)


def test_shipping_and_set_prices_out_of_bounds_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="shipping_amount"):
        basket(line(1), shipping_amount=-1)
    with pytest.raises(ValueError, match="solo_price"):
        basket(line(1), price_setting=SoloPrice({uid(1): -1}))


@pytest.mark.parametrize("amounts", [{}, {uid(2): 1}])
def test_a_price_setting_without_an_amount_is_a_callers_mistake(
    amounts: dict[UUID, int],
) -> None:
    with pytest.raises(ValueError, match="has no amount"):
        basket(line(1), price_setting=GroupPrice(uid(900), 1, amounts))


def test_lines_of_one_variant_must_describe_the_same_goods() -> None:
    with pytest.raises(ValueError, match="different goods"):
        quote(basket(line(1), line(1, 1, 4999, key="other")), [], now=NOW)


def test_two_promotions_of_one_id_and_a_naive_clock_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="share an id"):
        quote(basket(line(1)), [percent(10, 1), percent(10, 2)], now=NOW)
    with pytest.raises(ValueError, match="aware"):
        quote(basket(line(1)), [], now=NOW.replace(tzinfo=None))
