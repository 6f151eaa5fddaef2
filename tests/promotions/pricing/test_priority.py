"""The policy `priority`: the operator's order decides, with what the best would cost beside it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.conditions import Minimum
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.reasons import Param
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.builders import (
    bundle,
    buy,
    cart,
    coupon,
    free_shipping,
    full,
    gift,
    named,
    off_line,
    off_order,
    off_unit,
    only,
    pays,
    percent,
    percent_order,
    reasons,
    taken_off,
    used,
)

A_AGAINST_B = (Denial(Party(stacking_group="a"), Party(stacking_group="b")),)


def by_priority(*promotions: Promotion, denials: tuple[Denial, ...] = (), **more: Any) -> Quote:
    return cart(*promotions, terms=Terms(policy="priority", denials=denials), **more)


def lost(*winners: int) -> tuple[str, dict[str, Param]]:
    return "lost_to_priority", named(*winners)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What each takes in the operator's order, and how much more the best would have saved."""

    says: str
    by: tuple[Promotion, ...]
    units: int = 1
    brings: dict[str, Any] = field(default_factory=dict)
    off: dict[int | str, int]
    why: dict[int, tuple[str, dict[str, Param]]] = field(default_factory=dict)
    best: int = 0


TURNS = [
    Turn(
        says="the higher priority takes the unit, however little it gives",
        by=(percent(10, 5_000), percent(11, 100, priority=1)),
        off={11: 50},
        why={10: lost(11)},
        best=2_500 - 50,
    ),
    Turn(
        says="of equal priorities the older comes first",
        by=(percent(11, 5_000), percent(10, 100)),
        off={10: 50},
        why={11: lost(10)},
        best=2_500 - 50,
    ),
    Turn(
        says="priorities go below the usual one as well",
        by=(percent(10, 5_000, priority=-1), percent(11, 100)),
        off={11: 50},
        why={10: lost(11)},
        best=2_500 - 50,
    ),
    Turn(
        says="when the operator's order is the best there is, that is proven",
        by=(percent(10, 5_000, priority=1), percent(11, 100)),
        off={10: 2_500},
        why={11: lost(10)},
    ),
    Turn(
        says="what the first leaves the next one takes",
        by=(
            percent(10, 5_000),
            bundle(11, 9_990, (only(1), 2), priority=2, times_max=1),
        ),
        units=3,
        off={10: 2_500, 11: 10},
        best=7_500 - 2_510,
    ),
    Turn(
        says="买1送1 counts what earlier ones have left, and no more",
        by=(
            bundle(10, 9_990, (only(1), 2), priority=1, times_max=1),
            buy(11, 1, 1),
        ),
        units=3,
        off={10: 10},
        why={11: lost(10)},
        best=5_000 - 10,
    ),
    Turn(
        says="an amount off a line needs the line whole",
        by=(
            bundle(10, 9_990, (only(1), 2), priority=1, times_max=1),
            off_line(11, 900),
        ),
        units=3,
        off={10: 10},
        why={11: lost(10)},
        best=900 - 10,
    ),
    Turn(
        says="layers keep their order, whatever the priorities",
        by=(percent(10, 1_000), off_order(11, 500, priority=9), percent_order(12, 1_000)),
        off={10: 500, 11: 500, 12: 450},
    ),
    Turn(
        says="one of another layer joins where both are met",
        by=(full(10, (4_500, 1_000), priority=1), percent(11, 1_000)),
        off={10: 1_000, 11: 500},
    ),
    Turn(
        says="one that would cost an earlier one its threshold stays out",
        by=(full(10, (5_000, 400), priority=1), percent(11, 1_000)),
        off={10: 400},
        why={11: lost(10)},
        best=500 - 400,
    ),
    Turn(
        says="one that would cost an earlier one more than it gives stays out",
        by=(full(10, (4_000, 100), (5_000, 1_000), priority=1), percent(11, 1_000)),
        off={10: 1_000},
        why={11: lost(10)},
    ),
    Turn(
        says="the other way round the threshold finds less than it asks for",
        by=(full(10, (5_000, 1_000)), percent(11, 1_000, priority=1)),
        off={11: 500},
        why={10: ("needs_amount", {"missing_amount": 500})},
        best=500,
    ),
    Turn(
        says="who may not meet an earlier one stays out",
        by=(
            off_order(10, 700, stacking_group="a"),
            off_order(11, 10, stacking_group="b", priority=1),
            off_order(12, 5),
        ),
        brings={"denials": A_AGAINST_B},
        off={11: 10, 12: 5},
        why={10: ("denied_by_other", named(11))},
        best=705 - 15,
    ),
    Turn(
        says="who takes nothing keeps nobody out",
        by=(
            off_order(10, 700, stacking_group="a"),
            full(11, (5_001, 10), stacking_group="b", priority=1),
        ),
        brings={"denials": A_AGAINST_B},
        off={10: 700},
        why={11: ("needs_amount", {"missing_amount": 1})},
    ),
    Turn(
        says="an exclusive one first is used alone",
        by=(off_order(10, 10, exclusive=True, priority=1), off_order(11, 700)),
        off={10: 10},
        why={11: lost(10)},
        best=690,
    ),
    Turn(
        says="an exclusive one later is not used at all",
        by=(off_order(10, 700, exclusive=True), off_order(11, 10, priority=1)),
        off={11: 10},
        why={10: lost(11)},
        best=690,
    ),
    Turn(
        says="of two coupons the operator's first",
        by=(
            off_order(10, 700, needs_coupon=True),
            off_order(11, 10, needs_coupon=True, priority=1),
        ),
        brings={"coupons": (coupon(10), coupon(11))},
        off={11: 10},
        why={10: ("denied_by_other", named(11))},
        best=690,
    ),
    Turn(
        says="a condition that does not hold takes no turn",
        by=(percent(10, 1_000), percent(11, 100, priority=1, minimum=Minimum(5_001))),
        off={10: 500},
        why={11: ("needs_amount", {"missing_amount": 1})},
    ),
    Turn(
        says="shipping waits for its threshold as under any policy",
        by=(off_order(10, 1), free_shipping(11, 5_000, priority=1)),
        brings={"shipping_amount": 600},
        off={11: 600},
        why={10: lost(11)},
    ),
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.says)
def test_the_operators_order_decides_and_the_best_stands_beside_it(turn: Turn) -> None:
    for rules in (turn.by, turn.by[::-1]):
        answer = by_priority(*rules, units=turn.units, **turn.brings)
        assert taken_off(answer) == turn.off
        assert reasons(answer) == turn.why
        assert answer.policy == "priority"
        assert answer.total_amount - answer.bound_amount == turn.best
        assert answer.optimality == ("best_found" if turn.best else "proven")
        assert answer.runner_up_amount is None


def test_like_units_are_told_which_promotion_took_them() -> None:
    answer = by_priority(
        bundle(10, 9_000, (only(1), 2), priority=1, times_max=1), off_unit(11, 100), units=3
    )
    assert pays(answer) == [(4_500, 4_500, 4_900)]


def test_of_gifts_that_may_not_meet_the_operators_first_is_given() -> None:
    one_gift = (Denial(Party(kind="gift"), Party(kind="gift")),)
    rules = (gift(10, 0, 50), gift(11, 0, 51, priority=1))
    answer = by_priority(*rules, denials=one_gift)
    assert used(answer) == {11}
    assert reasons(answer) == {10: ("denied_by_other", named(11))}
    both = by_priority(*rules)
    assert used(both) == {10, 11}


def test_the_best_for_the_buyer_asks_for_no_priority() -> None:
    rules = (percent(10, 5_000), percent(11, 100, priority=1))
    answer = cart(*rules)
    assert taken_off(answer) == {10: 2_500}
    assert reasons(answer) == {11: ("lost_to_better", named(10))}
    assert answer.policy == "best_for_buyer"
