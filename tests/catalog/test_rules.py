"""Pure decisions of the catalogue."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.errors import CategoryCycle, CategoryTooDeep, PriceBelowFloor, WrongProductStatus
from app.catalog.models import ProductStatus
from app.catalog.rules import (
    CATEGORY_LEVELS_MAX,
    PRODUCT_MOVES,
    Wanted,
    check_move,
    check_placement,
    check_prices,
    summed,
)

A, B, C, D, E = (UUID(int=n) for n in range(1, 6))
CHAIN = {A: None, B: A, C: B, D: C}


def test_a_fourth_level_is_allowed_and_a_fifth_is_not() -> None:
    check_placement({A: None, B: A, C: B}, D, C)
    with pytest.raises(CategoryTooDeep) as refusal:
        check_placement(CHAIN, E, D)
    assert refusal.value.params == {"levels_max": 4}


def test_a_moved_branch_brings_its_own_levels() -> None:
    check_placement({**CHAIN, E: None}, B, E)
    with pytest.raises(CategoryTooDeep):
        check_placement({**CHAIN, E: None}, A, E)


@pytest.mark.parametrize("below", [A, B, D])
def test_a_category_never_stands_below_itself(below: UUID) -> None:
    with pytest.raises(CategoryCycle):
        check_placement(CHAIN, A, below)


@given(st.lists(st.tuples(st.integers(0, 7), st.none() | st.integers(0, 7)), max_size=40))
def test_allowed_moves_keep_a_forest_of_bounded_depth(
    moves: list[tuple[int, int | None]],
) -> None:
    parents: dict[UUID, UUID | None] = {}
    for child, parent in moves:
        child_id = UUID(int=child)
        parent_id = None if parent is None or UUID(int=parent) not in parents else UUID(int=parent)
        try:
            check_placement(parents, child_id, parent_id)
        except (CategoryCycle, CategoryTooDeep):
            continue
        parents[child_id] = parent_id
    for node in parents:
        levels, above = 0, node
        while above is not None:
            levels += 1
            assert levels <= CATEGORY_LEVELS_MAX
            above = parents[above]  # type: ignore[assignment]


def test_prices_may_stand_on_the_floor_but_not_under_it() -> None:
    check_prices(list_amount=100, solo_amount=None, floor_amount=100)
    check_prices(list_amount=200, solo_amount=100, floor_amount=100)
    with pytest.raises(PriceBelowFloor) as of_list:
        check_prices(list_amount=99, solo_amount=None, floor_amount=100)
    assert of_list.value.params == {"field": "list_amount", "amount": 99, "floor_amount": 100}
    with pytest.raises(PriceBelowFloor) as of_solo:
        check_prices(list_amount=200, solo_amount=99, floor_amount=100)
    assert of_solo.value.params["field"] == "solo_amount"


def test_every_status_has_a_row_of_moves() -> None:
    assert PRODUCT_MOVES.keys() == set(ProductStatus)
    allowed = {(a, b) for a in ProductStatus for b in PRODUCT_MOVES[a]}
    for start in ProductStatus:
        for end in ProductStatus:
            if (start, end) in allowed:
                check_move(start, end)
            else:
                with pytest.raises(WrongProductStatus):
                    check_move(start, end)


def test_lines_of_one_variant_are_summed_in_their_order() -> None:
    assert list(summed([Wanted(B, 2), Wanted(A, 1), Wanted(B, 3)]).items()) == [(B, 5), (A, 1)]


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_below_one_is_a_programming_error(quantity: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        summed([Wanted(A, quantity)])
