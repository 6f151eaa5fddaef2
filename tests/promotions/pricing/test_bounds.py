"""Bounds at any prices of units are never under what exhaustive choice can gain."""

import random
from itertools import product

import pytest

from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.components import FreeOffer, SetOffer, components
from app.promotions.pricing.free_gains import free_gain
from app.promotions.pricing.groups import Groups
from app.promotions.pricing.item_layer import Mode, UnitSet
from app.promotions.pricing.match import LineIndex, Match
from app.promotions.pricing.meet import Choice, Giving
from app.promotions.pricing.offers import UnitOffer
from app.promotions.pricing.outcomes import Outcome, options_of
from app.promotions.pricing.set_gains import Piece, Room, offer_gain, pieces_gain
from app.promotions.pricing.sums import Limit
from app.promotions.pricing.table import reserves_of
from app.promotions.pricing.taken import Steps
from app.promotions.pricing.units import UnitType, unit_types
from app.promotions.pricing.within import Nearest, Within
from tests.promotions.pricing.builders import basket, line, percent, uid

TRIES = 400


def some_types(rng: random.Random) -> tuple[UnitType, ...]:
    rows = [
        line(variant, rng.randint(1, 3), rng.randint(1, 40), floor_amount=rng.choice((0, 0, 15)))
        for variant in range(1, rng.randint(2, 4))
    ]
    return unit_types(basket(*rows))


@pytest.mark.parametrize("has_cap", [False, True])
def test_no_choice_of_capped_pieces_gains_more_than_the_bound(has_cap: bool) -> None:
    rng = random.Random(1)
    for _ in range(TRIES):
        pieces = [
            Piece(UnitSet(((n, 1),), 1), rng.randint(0, 30), rng.randint(0, 30), rng.randint(1, 3))
            for n in range(rng.randint(1, 4))
        ]
        cap = rng.randint(1, 60) if has_cap else None
        room = Room(rng.randint(0, 2), rng.randint(2, 6), cap)
        best = 0
        for counts in product(*(range(piece.count + 1) for piece in pieces)):
            if room.times_min <= sum(counts) <= room.times_max:
                rows = list(zip(pieces, counts, strict=True))
                saving = sum(piece.saving * n for piece, n in rows)
                cost = sum(piece.cost * n for piece, n in rows)
                best = max(best, (saving if cap is None else min(saving, cap)) - cost)
        bound, _ = pieces_gain(pieces, room)
        assert bound >= best, (pieces, room)
        assert has_cap or bound == best, "without a cap the bound is met"


def test_no_choice_of_a_bundle_gains_more_than_the_bound() -> None:
    rng = random.Random(2)
    for _ in range(TRIES):
        types = some_types(rng)
        bundle = Bundle(
            id=uid(1),
            version=1,
            parts=(BundlePart(Match(), rng.randint(2, 3)),),
            price_amount=rng.randint(1, 60),
        )
        index = LineIndex([unit.line for unit in types])
        sets, is_whole = bundle.sets(types, index, 150)
        of = tuple(range(len(types)))
        parts = bundle.parts_of(types, index)
        offer = SetOffer(bundle, (Mode(tuple(sets)),), of, is_whole, parts=parts)
        prices = {unit.index: rng.randint(0, 20) for unit in types}
        left = {unit.index: unit.quantity for unit in types}
        bound, _ = offer_gain(offer, types, prices, left)
        assert bound >= _best_sets(sets, prices, left)


def _best_sets(sets: list[UnitSet], prices: dict[int, int], left: dict[int, int]) -> int:
    best = 0
    for place, one in enumerate(sets):
        if all(left[i] >= n for i, n in one.units):
            fewer = {**left, **{i: left[i] - n for i, n in one.units}}
            gain = one.saving_amount - sum(prices[i] * n for i, n in one.units)
            best = max(best, gain + _best_sets(sets[place:], prices, fewer))
    return best


def test_no_choice_of_free_units_gains_more_than_the_bound() -> None:
    """The cheapest of all consumed are given, and so are captive units below them."""
    rng = random.Random(3)
    for _ in range(TRIES):
        types = some_types(rng)
        rule = BuyNGetM(
            id=uid(1),
            version=1,
            buy=rng.randint(1, 2),
            get=rng.randint(1, 2),
            times_max=rng.choice((None, 1)),
        )
        prices = {unit.index: rng.choice((0, rng.randint(1, 20))) for unit in types}
        left = {unit.index: unit.quantity for unit in types}
        captive = frozenset(i for i, price in prices.items() if not price and rng.random() < 0.5)
        bound, _ = free_gain(FreeOffer(rule, tuple(left)), types, prices, left, captive)
        best = 0
        for counts in product(*(range(n + 1) for n in left.values())):
            best = max(best, _free_gain(rule, types, counts, prices, captive))
        assert bound >= best, (rule, types, prices, captive)


def _free_gain(
    rule: BuyNGetM,
    types: tuple[UnitType, ...],
    counts: tuple[int, ...],
    prices: dict[int, int],
    captive: frozenset[int],
) -> int:
    """The gain of consuming so many of each, or 0 where that is not lawful."""
    consumed = sorted(
        unit.price_amount for unit, n in zip(types, counts, strict=True) for _ in range(n)
    )
    times, rest = divmod(len(consumed), rule.buy + rule.get)
    if rest or not times or times > (rule.times_max or times):
        return 0
    given = consumed[: times * rule.get]
    idle = [
        unit.price_amount
        for unit, n in zip(types, counts, strict=True)
        if unit.index in captive and n < unit.quantity
    ]
    if any(amount < given[-1] for amount in idle):
        return 0
    return sum(given) - sum(prices[unit.index] * n for unit, n in zip(types, counts, strict=True))


def test_sets_that_were_not_listed_bring_their_types_with_them() -> None:
    types = unit_types(basket(*(line(variant, 1, 100) for variant in range(1, 6))))
    pair = UnitSet(((0, 1), (1, 1)), 50)
    bundle = Bundle(id=uid(1), version=1, parts=(BundlePart(Match(), 2),), price_amount=150)
    whole = SetOffer(bundle, (Mode((pair,)),), (0, 1, 2, 3, 4))
    cut = SetOffer(bundle, (Mode((pair,)),), (0, 1, 2, 3, 4), is_whole=False)
    none = SetOffer(bundle, (Mode(()),), (0, 1, 2, 3, 4), is_whole=False)
    found = [
        [one.type_indexes for one in components(types, [row], [])] for row in (whole, cut, none)
    ]
    assert found == [[(0, 1)], [(0, 1, 2, 3, 4)], [(0, 1, 2, 3, 4)]]


def test_lines_that_do_not_depend_on_one_another_are_searched_apart() -> None:
    types = unit_types(basket(*(line(variant, 1, 100) for variant in range(1, 4))))
    sets = tuple(UnitSet(((index, 1),), 10) for index in range(3))
    free = SetOffer(percent(1, 1_000), (Mode(sets),), (0, 1, 2))
    tied = SetOffer(percent(1, 1_000), (Mode(sets, times_max=2),), (0, 1, 2))
    assert len(components(types, [free], [])) == 3
    assert len(components(types, [tied], [])) == 1
    rare = FreeOffer(BuyNGetM(id=uid(2), version=1, buy=3, get=1), (0, 1, 2))
    assert components(types, [], [rare]) == [], "three units are too few for four"


def some_choices(rng: random.Random) -> list[Choice]:
    amounts = [{0, *(rng.randint(1, 9) for _ in range(2))} for _ in range(rng.randint(1, 3))]
    return [Choice(1, 9, {n: Outcome((), ((n, 0, 1),)) for n in some}) for some in amounts]


def test_the_least_that_is_enough_is_given_up_within_limits_of_limits() -> None:
    rng = random.Random(5)
    for _ in range(TRIES):
        inner, outer = some_choices(rng), some_choices(rng)
        missing, missing_inside = rng.randint(-2, 30), rng.randint(-2, 15)
        inside = Giving(inner, missing_inside, 40, Steps(1_000), is_last=False)
        giving = Giving([*outer, inside], missing, 40, Steps(1_000), is_last=True)
        enough = [
            sum(row)
            for row in product(*(choice.ways for choice in inner + outer))
            if sum(row[: len(inner)]) >= missing_inside and missing <= sum(row) <= 40
        ]
        assert giving.is_whole
        assert giving.least == min(enough, default=None)
        if giving.least is not None:
            picks = list(giving.picks(giving.least))
            assert sum(amount for _, amount in picks) == giving.least
            assert sum(n for choice, n in picks if choice in inner) >= missing_inside
            assert all(amount in choice.ways for choice, amount in picks)


def test_what_is_not_given_up_for_want_of_steps_is_told() -> None:
    choices = [Choice(1, 9, {0: Outcome((), ()), n: Outcome((), ())}) for n in (3, 4)]
    known = Giving(choices, 4, 40, Steps(10), is_last=True)
    assert (known.least, known.is_whole) == (4, True)
    cut = Giving(choices, 4, 40, Steps(1), is_last=True)
    assert (cut.least, cut.is_whole) == (None, False)


def within_one(limit: Limit, *offers: UnitOffer, all_ways: bool) -> Nearest | None:
    types = unit_types(basket(*(line(variant, 1, 100) for variant in range(1, 4))))
    options = options_of(len(types), [offer.savings for offer in offers])
    reserves, _ = reserves_of(len(types), offers)
    groups = Groups([], types, reserves, options)
    return Within(groups, Steps(100)).nearest([limit], 0, all_ways=all_ways)


@pytest.mark.parametrize("all_ways", [False, True])
@pytest.mark.parametrize(("limit_amount", "saving_amount"), [(60, 60), (49, 47), (9, 0), (70, 67)])
def test_single_units_give_up_a_whole_discount_or_take_another(
    limit_amount: int, saving_amount: int, all_ways: bool
) -> None:
    offers = (
        UnitOffer(percent(1, 3_000), ((0, 30), (1, 20), (2, 17))),
        UnitOffer(percent(2, 1_000), ((0, 10), (1, 10), (2, 10))),
    )
    found = within_one(Limit((True,) * 3, limit_amount), *offers, all_ways=all_ways)
    assert found is not None
    assert (found.saving_amount, found.is_most) == (saving_amount, True)
    saved = sum(dict(offers[c].savings)[i] * n for o in found.outcomes for i, c, n in o.single)
    assert saved == saving_amount


def test_limits_that_overlap_are_left_to_the_sums() -> None:
    types = unit_types(basket(*(line(variant, 1, 100) for variant in range(1, 4))))
    offer = UnitOffer(percent(1, 3_000), ((0, 30), (1, 20), (2, 17)))
    reserves, _ = reserves_of(len(types), [offer])
    groups = Groups([], types, reserves, options_of(len(types), [offer.savings]))
    within = Within(groups, Steps(100))
    one, other = Limit((True, True, False), 40), Limit((False, True, True), 20)
    assert within.nearest([one, other], 0, all_ways=False) is None
    apart = within.nearest([one, Limit((False, False, True), 0)], 0, all_ways=False)
    assert apart is not None
    assert (apart.saving_amount, apart.is_most) == (30, True)


@pytest.mark.parametrize(("limit_amount", "saving_amount"), [(2_970, 2_970), (2_965, 2_940)])
def test_of_many_like_units_some_give_up_and_the_others_keep_their_best(
    limit_amount: int, saving_amount: int
) -> None:
    types = unit_types(basket(line(1, 100, 100)))
    offer = UnitOffer(percent(1, 3_000), ((0, 30),))
    groups = Groups([], types, [30], options_of(1, [offer.savings]))
    found = Within(groups, Steps(100)).nearest([Limit((True,), limit_amount)], 0, all_ways=False)
    assert found is not None
    assert found.saving_amount == saving_amount
    assert sum(n * 30 for one in found.outcomes for _, _, n in one.single) == saving_amount
    assert not found.is_most, "not every unit was asked"
