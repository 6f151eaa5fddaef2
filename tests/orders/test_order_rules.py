"""Laws of refunds: exact, within what is left, and never lost in rounding."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Problem
from app.orders.errors import NothingToRefund, RefundExceedsLine
from app.orders.rules import (
    LineLeft,
    RefundPart,
    parts_for_amount,
    parts_for_units,
    shares_left,
    summed_units,
)
from app.payments.errors import RefundExceedsPayment

amounts = st.integers(0, 10**6)
shares = st.lists(amounts, min_size=1, max_size=6)


@dataclass
class Line:
    """A line as the database keeps it."""

    shares: list[int]
    line_id: UUID = field(default_factory=uuid4)
    variant_id: UUID = field(default_factory=uuid4)
    units_back: int = 0
    amount_back: int = 0

    def left(self) -> LineLeft:
        runs = [{"amount": share, "units": 1} for share in self.shares]
        kept = shares_left(runs, self.units_back)
        return LineLeft(self.line_id, self.variant_id, kept, sum(self.shares) - self.amount_back)


@dataclass
class Bought:
    lines: list[Line]
    shipping: int
    shipping_back: int = 0

    @property
    def total(self) -> int:
        return sum(sum(line.shares) for line in self.lines) + self.shipping

    @property
    def back(self) -> int:
        return sum(line.amount_back for line in self.lines) + self.shipping_back

    def left(self) -> list[LineLeft]:
        return [line.left() for line in self.lines]

    def by_units(self, wanted: dict[UUID, int]) -> list[RefundPart]:
        return self.keep(parts_for_units(self.left(), wanted))

    def by_amount(self, amount: int | None) -> list[RefundPart]:
        left = self.shipping - self.shipping_back
        return self.keep(parts_for_amount(self.left(), left, amount))

    def keep(self, parts: list[RefundPart]) -> list[RefundPart]:
        by_id = {line.line_id: line for line in self.lines}
        for part in parts:
            assert part.amount >= 0
            if part.line_id is None:
                self.shipping_back += part.amount
                continue
            line = by_id[part.line_id]
            line.units_back += part.quantity
            line.amount_back += part.amount
        for line in self.lines:
            assert 0 <= line.amount_back <= sum(line.shares)
            assert 0 <= line.units_back <= len(line.shares)
        assert 0 <= self.shipping_back <= self.shipping
        return parts


orders = st.builds(
    Bought, st.lists(shares.map(Line), min_size=1, max_size=4), shipping=st.integers(0, 5_000)
)


@given(orders, st.data())
def test_an_amount_is_spread_to_the_fen(order: Bought, data: st.DataObject) -> None:
    if order.total == 0:
        with pytest.raises(NothingToRefund):
            order.by_amount(None)
        return
    amount = data.draw(st.integers(1, order.total))
    parts = order.by_amount(amount)
    assert sum(part.amount for part in parts) == amount
    assert all(part.amount or part.quantity for part in parts)


@given(orders, st.integers(1, 10**6))
def test_no_amount_passes_what_is_left(order: Bought, more: int) -> None:
    if order.total:
        with pytest.raises(RefundExceedsPayment):
            order.by_amount(order.total + more)
    assert order.back == 0


@given(orders, st.data())
def test_units_cost_their_own_shares(order: Bought, data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(order.lines))
    quantity = data.draw(st.integers(1, len(line.shares)))
    [part] = order.by_units({line.line_id: quantity})
    assert (part.quantity, part.amount) == (quantity, sum(line.shares[:quantity]))
    with pytest.raises(RefundExceedsLine):
        order.by_units({line.line_id: len(line.shares) - quantity + 1})
    with pytest.raises(RefundExceedsLine):
        order.by_units({uuid4(): 1})


@given(orders, st.data())
def test_any_refunds_and_then_the_rest_are_the_total(order: Bought, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 6))):
        line = data.draw(st.sampled_from(order.lines))
        try:
            if data.draw(st.booleans()):
                order.by_units({line.line_id: data.draw(st.integers(1, 3))})
            else:
                order.by_amount(data.draw(st.integers(1, max(order.total, 1))))
        except Problem:
            continue
    if order.back < order.total:
        parts = order.by_amount(None)
        assert sum(part.amount for part in parts) > 0
        assert [line.units_back for line in order.lines] == [len(x.shares) for x in order.lines]
    assert order.back == order.total
    if order.total:
        with pytest.raises(NothingToRefund):
            order.by_amount(None)


def test_shares_come_back_in_their_order() -> None:
    runs = [{"amount": 34, "units": 1}, {"amount": 33, "units": 2}]
    assert shares_left(runs, 0) == (34, 33, 33)
    assert shares_left(runs, 1) == (33, 33)
    assert shares_left(runs, 3) == ()


def test_units_are_summed_over_orders() -> None:
    one, two = uuid4(), uuid4()
    units = summed_units([{str(one): 2}, {str(one): 1, str(two): 5}])
    assert units == {one: 3, two: 5}
