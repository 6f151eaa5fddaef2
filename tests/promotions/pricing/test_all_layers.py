"""The laws over every layer: coupons, add-ons, gifts, points, shipping, caps and the matrix."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.promotions.pricing.add_on import AddOn, AddOnTier
from app.promotions.pricing.amount_off import AmountOffOrder
from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import AddOnChoice, Basket, Coupon, Points
from app.promotions.pricing.conditions import Conditions, Minimum
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.engine import quote
from app.promotions.pricing.gift import Gift
from app.promotions.pricing.match import Match
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.percent_off_order import PercentOffOrder
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import FreeShipping, ShippingOff
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing import every_way
from tests.promotions.pricing.builders import NOW, ids, line, uid
from tests.promotions.pricing.strategies import any_mechanic, by_variant, handfuls, spend_thresholds

small = st.one_of(st.integers(1, 60), st.sampled_from((99, 1000, 5000, 20_000)))
caps = st.sampled_from((None, None, 1, 7, 500))
TERMS = st.builds(
    Terms,
    denials=st.lists(
        st.builds(
            Denial,
            st.sampled_from((Party(stacking_group="a"), Party(kind="coupon"))),
            st.sampled_from(
                (Party(stacking_group="a"), Party(stacking_group="b"), Party(kind="percent_off"))
            ),
        ),
        max_size=2,
    ).map(tuple),
)


@st.composite
def later_mechanic(draw: st.DrawFn, number: int) -> Promotion:
    """A promotion of the order layer or after it, perhaps behind a coupon."""
    minimum = draw(st.one_of(st.none(), st.none(), st.builds(Minimum, small)))
    fields: dict[str, Any] = {
        "id": uid(number),
        "version": 1,
        "match": draw(st.one_of(st.just(Match()), st.just(Match()), by_variant)),
        "conditions": Conditions(minimum=minimum),
        "needs_coupon": draw(st.booleans()),
        "stacking_group": draw(st.sampled_from((None, "a", "b"))),
        "exclusive": draw(st.sampled_from((False, False, False, False, False, True))),
    }
    percents = st.one_of(st.sampled_from((1000, 5000, 10_000)), st.integers(1, 10_000))
    thresholds = st.one_of(st.just(0), small)
    mechanics: tuple[Callable[[], Promotion], ...] = (
        lambda: PercentOff(off_bp=draw(percents), **{**fields, "needs_coupon": True}),
        lambda: PercentOffOrder(off_bp=draw(percents), off_max_amount=draw(caps), **fields),
        lambda: AmountOffOrder(off_amount=draw(small), **fields),
        lambda: draw(spend_thresholds(fields)),
        lambda: FreeShipping(threshold_amount=draw(thresholds), **fields),
        lambda: ShippingOff(
            threshold_amount=draw(thresholds), off_amount=draw(st.integers(1, 700)), **fields
        ),
        lambda: draw(add_ons(fields)),
    )
    return draw(st.sampled_from(mechanics))()


@st.composite
def add_ons(draw: st.DrawFn, fields: dict[str, Any]) -> AddOn:
    thresholds = sorted(
        draw(st.lists(st.one_of(st.just(0), small), min_size=1, unique=True, max_size=2))
    )
    tiers = tuple(
        AddOnTier(
            threshold_amount=threshold,
            price_amount=draw(st.integers(0, 60)),
            variant_ids=ids([40 + place]),
            units_max=draw(st.integers(1, 3)),
        )
        for place, threshold in enumerate(thresholds)
    )
    return AddOn(tiers=tiers, units_max=draw(st.sampled_from((None, 1, 2))), **fields)


@st.composite
def sets(draw: st.DrawFn) -> list[Promotion]:
    """At most four promotions of all layers."""
    numbers = draw(st.lists(st.integers(10, 17), min_size=1, max_size=4, unique=True))
    either = (any_mechanic, later_mechanic, later_mechanic)
    return [draw(draw(st.sampled_from(either))(number)) for number in numbers]


@st.composite
def counters(draw: st.DrawFn, promotions: list[Promotion]) -> Basket:
    """A handful of goods, coupons for what needs one, and a choice from each add-on."""
    goods = draw(handfuls())
    chosen = [
        AddOnChoice(f"add-{number}-{one.id.int}", one.id, variant, draw(st.integers(1, 2)))
        for one in promotions
        if isinstance(one, AddOn) and draw(st.booleans())
        for number, variant in enumerate(sorted(one.variant_ids))
    ]
    return replace(
        goods,
        shipping_amount=draw(st.sampled_from((0, 600))),
        coupons=tuple(
            Coupon(uid(900 + n), one.id) for n, one in enumerate(promotions) if one.needs_coupon
        ),
        add_ons=tuple(chosen),
        offered={
            uid(40): line(40, list_amount=draw(st.integers(1, 90))),
            uid(41): line(41, list_amount=draw(st.integers(1, 90)), floor_amount=30),
        },
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Basket, list[Promotion], Terms]:
    promotions = draw(sets())
    return draw(counters(promotions)), promotions, draw(TERMS)


def price(case: tuple[Basket, list[Promotion], Terms]) -> Quote:
    basket, promotions, terms = case
    return quote(basket, promotions, now=NOW, terms=terms)


@given(cases())
def test_no_way_through_all_layers_is_cheaper(case: tuple[Basket, list[Promotion], Terms]) -> None:
    least = every_way.least_total(*case)
    answer = price(case)
    assert answer.bound_amount <= least <= answer.total_amount
    if answer.optimality == "proven":
        assert answer.total_amount == least


@st.composite
def near_thresholds(draw: st.DrawFn) -> tuple[Basket, list[Promotion], Terms]:
    """Discounts that each cost the buyer what a threshold further on would give, or just do not."""
    goods = draw(handfuls())
    whole = sum(row.quantity * row.list_amount for row in goods.lines)
    few = st.integers(1, 12)
    near = st.integers(0, 24).map(lambda below: max(whole - below, 0))

    def fields(number: int, **more: Any) -> dict[str, Any]:
        return {"id": uid(number), "version": 1, **more}

    promotions: list[Promotion] = [
        draw(
            st.sampled_from(
                (
                    FreeShipping(threshold_amount=draw(near), **fields(10)),
                    AddOn(
                        tiers=(
                            AddOnTier(
                                threshold_amount=draw(near),
                                price_amount=1,
                                variant_ids=ids([40]),
                            ),
                        ),
                        **fields(10),
                    ),
                )
            )
        )
    ]
    for number in draw(st.lists(st.integers(11, 15), min_size=1, max_size=4, unique=True)):
        coupon = {"needs_coupon": draw(st.booleans())}
        amount = AmountOffOrder(off_amount=draw(few), **fields(number, **coupon))
        share = PercentOffOrder(off_bp=draw(st.integers(1, 3_000)), **fields(number, **coupon))
        promotions.append(draw(st.sampled_from((amount, share))))
    chosen = [
        AddOnChoice("add", one.id, uid(40), 1) for one in promotions if isinstance(one, AddOn)
    ]
    coupons = [Coupon(uid(900 + n), one.id) for n, one in enumerate(promotions) if one.needs_coupon]
    basket = replace(
        goods,
        shipping_amount=draw(st.integers(0, 30)),
        coupons=tuple(coupons),
        add_ons=tuple(chosen),
        offered={uid(40): line(40, list_amount=draw(st.integers(1, 30)))},
    )
    return basket, promotions, Terms()


@given(near_thresholds())
def test_no_discount_costs_the_buyer_a_threshold_further_on(
    case: tuple[Basket, list[Promotion], Terms],
) -> None:
    least = every_way.least_total(*case)
    answer = price(case)
    assert answer.bound_amount <= least <= answer.total_amount
    if answer.optimality == "proven":
        assert answer.total_amount == least


@given(cases(), st.integers(0, 10_000), st.integers(0, 9_000), st.integers(0, 10_000))
def test_parts_sum_and_nothing_leaves_its_bounds(
    case: tuple[Basket, list[Promotion], Terms], cap_bp: int, points: int, share_bp: int
) -> None:
    basket, promotions, terms = case
    basket = replace(basket, points=Points(points, share_bp))
    answer = price((basket, promotions, replace(terms, discount_cap_bp=cap_bp)))
    for row in answer.lines:
        assert sum(row.unit_share_amounts) == row.payable_amount
        off = sum(adjustment.amount for adjustment in row.adjustments)
        assert row.list_amount * row.quantity - off == row.payable_amount
        assert all(0 <= share <= row.list_amount for share in row.unit_share_amounts)
    shipped = sum(adjustment.amount for adjustment in answer.shipping_adjustments)
    assert 0 <= answer.shipping_amount == basket.shipping_amount - shipped
    payable = sum(row.payable_amount for row in answer.lines)
    assert answer.total_amount == payable + answer.shipping_amount
    assert sum(row.amount for row in answer.applied) == answer.goods_discount_amount + shipped
    before_points = payable + answer.points_amount
    assert answer.points_amount <= min(points, before_points * share_bp // 10_000)
    taken = sum(
        adjustment.amount
        for row in answer.lines
        if row.origin == "goods"
        for adjustment in row.adjustments
        if adjustment.kind != "points"
    )
    goods = sum(row.price_amount * row.quantity for row in answer.lines if row.origin == "goods")
    assert taken <= goods * cap_bp // 10_000


@given(cases(), st.randoms())
def test_order_and_splitting_change_nothing(
    case: tuple[Basket, list[Promotion], Terms], rng: random.Random
) -> None:
    basket, promotions, terms = case
    pieces = [
        replace(row, key=f"{row.key}-{n}", quantity=1)
        for row in basket.lines
        for n in range(row.quantity)
    ]
    rng.shuffle(pieces)
    shuffled = rng.sample(promotions, len(promotions))
    first, second = price(case), price((replace(basket, lines=tuple(pieces)), shuffled, terms))
    assert (second.total_amount, second.bound_amount) == (first.total_amount, first.bound_amount)


@given(cases())
def test_each_promotion_is_applied_or_explained(
    case: tuple[Basket, list[Promotion], Terms],
) -> None:
    answer = price(case)
    applied = {row.promotion_id for row in answer.applied if row.promotion_id}
    explained = {row.promotion_id for row in answer.not_applied}
    assert applied | explained == {one.id for one in case[1]}
    assert not applied & explained


@given(cases(), later_mechanic(20))
def test_one_more_promotion_never_costs_a_proven_price_anything(
    case: tuple[Basket, list[Promotion], Terms], extra: Promotion
) -> None:
    basket, promotions, terms = case
    coupons = (*basket.coupons, *([Coupon(uid(990), extra.id)] if extra.needs_coupon else []))
    more = price((replace(basket, coupons=coupons), [*promotions, extra], terms))
    if more.optimality == "proven":
        assert more.total_amount <= price(case).total_amount


@given(cases())
def test_the_operators_order_never_beats_the_best(
    case: tuple[Basket, list[Promotion], Terms],
) -> None:
    basket, promotions, terms = case
    ranked = [replace(one, priority=n % 3) for n, one in enumerate(promotions)]
    best = price((basket, ranked, terms))
    by_priority = price((basket, ranked, replace(terms, policy="priority")))
    assert by_priority.total_amount >= best.bound_amount
    assert by_priority.bound_amount <= by_priority.total_amount
    payable = sum(row.payable_amount for row in by_priority.lines)
    assert by_priority.total_amount == payable + by_priority.shipping_amount


@given(cases())
def test_a_gift_changes_no_price(case: tuple[Basket, list[Promotion], Terms]) -> None:
    basket, promotions, terms = case
    gift = Gift(id=uid(30), version=1, variant_id=uid(50))
    with_gift, without = price((basket, [*promotions, gift], terms)), price(case)
    assert with_gift.total_amount == without.total_amount
    given_to = {row.promotion_id for row in with_gift.gifts}
    assert gift.id in given_to | {row.promotion_id for row in with_gift.not_applied}
