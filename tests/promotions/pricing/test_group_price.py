"""The ladder of a group price: what each size has earned."""

import pytest

from app.promotions.pricing.group_price import GroupPrice, LadderTier
from tests.promotions.pricing.builders import (
    uid,
)

LADDER = GroupPrice(
    uid(900),
    1,
    {uid(1): 9_000, uid(2): 8_000},
    (LadderTier(3, {uid(1): 8_500, uid(2): 7_000}), LadderTier(5, {uid(1): 6_000})),
    leader_amounts={uid(2): 7_500},
)


@pytest.mark.parametrize(
    ("variant", "by_size"),
    [
        (1, {2: 9_000, 3: 8_500, 4: 8_500, 5: 6_000, 6: 6_000}),
        # Of the second the last tier says nothing: what the one before earned stays earned.
        (2, {2: 7_500, 3: 7_000, 4: 7_000, 5: 7_000}),
        (3, {2: None, 3: None, 5: None}),
    ],
)
def test_around_the_sizes_of_a_ladder(variant: int, by_size: dict[int, int | None]) -> None:
    assert {size: LADDER.amount_at(uid(variant), size) for size in by_size} == by_size


@pytest.mark.parametrize(
    ("size", "amount", "is_fine"),
    [(3, 8_499, False), (4, 8_501, False), (4, 8_500, True), (4, 8_499, True)],
)
def test_a_ladder_rises_in_size_and_never_in_price(size: int, amount: int, is_fine: bool) -> None:
    tiers = (LadderTier(3, {uid(1): 8_500}), LadderTier(size, {uid(1): amount}))
    if is_fine:
        assert GroupPrice(uid(900), 1, {uid(1): 9_000}, tiers).amount_at(uid(1), 4) == amount
        return
    with pytest.raises(ValueError, match=r"outside|must not pay more"):
        GroupPrice(uid(900), 1, {uid(1): 9_000}, tiers)


def test_a_ladder_that_skips_a_tier_must_not_rise_either() -> None:
    tiers = (
        LadderTier(3, {uid(1): 8_500, uid(2): 8_500}),
        LadderTier(4, {uid(1): 8_000}),
        LadderTier(5, {uid(1): 7_000, uid(2): 8_501}),
    )
    with pytest.raises(ValueError, match="must not pay more"):
        GroupPrice(uid(900), 1, {uid(1): 9_000, uid(2): 9_000}, tiers)
    fine = (*tiers[:2], LadderTier(5, {uid(2): 8_500}))
    setting = GroupPrice(uid(900), 1, {uid(1): 9_000, uid(2): 9_000}, fine)
    assert [setting.amount_at(uid(1), size) for size in (3, 4, 5)] == [8_500, 8_000, 8_000]
    with pytest.raises(ValueError, match="other goods"):
        GroupPrice(uid(900), 1, {uid(1): 9_000}, (LadderTier(3, {uid(2): 1}),))
