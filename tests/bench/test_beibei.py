"""Recorded group buys: read, cut into waves, taken in turn, and judged without mercy."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bench.beibei.ground import Ground, order_amount, solo_amount
from bench.beibei.judge import Books, Truth, judge
from bench.beibei.recorded import NoRecordsError, Recorded, read, recorded, units_of, waves
from bench.beibei.replay import in_turn
from bench.beibei.table import percentile
from tests.lanes.report import Report
from tests.lanes.world import SHIPPING_AMOUNT

PAIR = Recorded(1, 10, 7, True, (11,))
TRIO = Recorded(2, 12, 8, True, (10, 11))
ALONE = Recorded(3, 11, 7, False, ())
AGAIN = Recorded(4, 11, 7, True, (12,))
GROUPS = [PAIR, TRIO, ALONE, AGAIN]


def row(**more: Any) -> dict[str, Any]:
    told = {"group_id": 5, "initiator_id": 1, "product_id": 2, "success": 1, "participants": "3|4"}
    return {**told, **more}


def test_a_row_becomes_a_group() -> None:
    assert recorded(row()) == Recorded(5, 1, 2, True, (3, 4))
    assert recorded(row(success=0, participants="")) == Recorded(5, 1, 2, False, ())


@pytest.mark.parametrize(
    "wrong",
    [{"success": 0}, {"participants": ""}, {"participants": "3|3"}, {"participants": "1"}],
)
def test_what_cannot_have_been_a_group_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(NoRecordsError, match="group 5"):
        recorded(row(**wrong))


def test_a_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoRecordsError, match="--data or BEIBEI_DATA"):
        read(tmp_path / "groups_train.parquet", 1)


def test_sizes() -> None:
    assert [group.size for group in GROUPS] == [2, 3, 2, 2]
    assert units_of(GROUPS) == {7: 5, 8: 3}


def test_no_member_meets_a_product_twice_in_a_wave() -> None:
    assert waves(GROUPS) == [[PAIR, TRIO], [ALONE], [AGAIN]]
    rng = random.Random(1)
    many = [Recorded(n, *rng.sample(range(9), 1), rng.randrange(3), False, ()) for n in range(200)]
    cut = waves(many)
    assert sorted(g.group_id for wave in cut for g in wave) == list(range(200))
    for wave in cut:
        pairs = [(m, g.product_id) for g in wave for m in g.member_ids]
        assert len(pairs) == len(set(pairs))


def test_leaders_come_in_order_and_before_their_joiners() -> None:
    turns = in_turn(GROUPS, random.Random(1))
    assert [t.group for t in turns if t.opens] == GROUPS
    assert sorted(t.member_id for t in turns if t.group is TRIO) == [10, 11, 12]
    for group in GROUPS:
        assert next(t for t in turns if t.group is group).opens


def test_percentiles() -> None:
    assert [percentile(range(1, 201), of) for of in (50, 99)] == [101, 199]
    assert percentile([5.0], 99) == 5.0


# -- the judge

MEMBERS = {number: UUID(int=number) for number in (10, 11, 12)}
CAMPAIGNS = {group.offer: UUID(int=100 + n) for n, group in enumerate(GROUPS)}
GROUP_IDS = {group.group_id: str(UUID(int=1_000 + group.group_id)) for group in GROUPS}
SOLO = (-1,)
TRUTH = Truth(Ground(None, {}, CAMPAIGNS, MEMBERS, {}, {}), GROUPS, GROUP_IDS, SOLO)  # type: ignore[arg-type]
SOLO_TOTAL = solo_amount(-1) + SHIPPING_AMOUNT
KEPT_ORDER = {"status": "paid", "fulfilment": "fulfilling", "refund": "none", "confirmed": 1}
BACK_ORDER = {"status": "closed", "fulfilment": "none", "refund": "full", "confirmed": 0}


def order(group: Recorded | None, member: int, amount: int, *, kept: bool) -> dict[str, Any]:
    seat = None if group is None else "confirmed" if kept else "refunded"
    back = 0 if kept else amount
    return {
        "group_id": group and UUID(GROUP_IDS[group.group_id]),
        "member_id": MEMBERS[member],
        **(KEPT_ORDER if kept else BACK_ORDER),
        "seat": seat,
        "total_amount": amount,
        "refunded_amount": back,
        "charges": 1,
        "charged": amount,
        "refunds": int(not kept),
        "refunded": back,
    }


def sound() -> Books:
    groups, orders = [], [order(None, 10, SOLO_TOTAL, kept=True)]
    for group in GROUPS:
        amount, seats = order_amount(group.product_id), group.size * group.succeeded
        groups.append(
            {
                "id": UUID(GROUP_IDS[group.group_id]),
                "status": "succeeded" if group.succeeded else "failed",
                "campaign_id": CAMPAIGNS[group.offer],
                "leader_member_id": MEMBERS[group.initiator_id],
                "capacity": group.size,
                "taken": seats,
                "paid": seats,
            }
        )
        orders += [order(group, m, amount, kept=group.succeeded) for m in group.member_ids]
    taken, back = sum(o["charged"] for o in orders), sum(o["refunded"] for o in orders)
    entries = [
        {"kind": "charge", "times": len(orders), "amount": taken},
        {"kind": "refund", "times": 1, "amount": back},
    ]
    return Books(groups, orders, entries, taken - back)


def found_in(books: Books) -> list[str]:
    report = Report("beibei", "none")
    judge(TRUTH, books, report)
    return report.failures


def with_group(place: int, **change: Any) -> Callable[[Books], Books]:
    def broken(books: Books) -> Books:
        groups = [dict(row) for row in books.groups]
        groups[place].update(change)
        return replace(books, groups=groups)

    return broken


def with_order(place: int, **change: Any) -> Callable[[Books], Books]:
    def broken(books: Books) -> Books:
        orders = [dict(row) for row in books.orders]
        orders[place].update(change)
        return replace(books, orders=orders)

    return broken


def with_entry(place: int, **change: Any) -> Callable[[Books], Books]:
    def broken(books: Books) -> Books:
        entries = [dict(row) for row in books.entries]
        entries[place].update(change)
        return replace(books, entries=entries)

    return broken


def test_sound_books_are_found_sound() -> None:
    assert found_in(sound()) == []


# Orders: 0 alone, 1-2 of PAIR, 3-5 of TRIO, 6 of ALONE, 7-8 of AGAIN.
@pytest.mark.parametrize(
    "fault",
    [
        with_group(0, status="failed"),
        with_group(2, status="succeeded"),
        with_group(0, capacity=3),
        with_group(1, paid=2),
        with_group(1, leader_member_id=MEMBERS[10]),
        with_group(3, campaign_id=CAMPAIGNS[8, 3]),
        lambda books: replace(books, groups=books.groups[1:]),
        lambda books: replace(
            books, groups=[*books.groups, {**books.groups[0], "id": UUID(int=9)}]
        ),
        with_order(0, fulfilment="none"),
        with_order(1, fulfilment="none"),
        with_order(2, seat="paid"),
        with_order(3, confirmed=0),
        with_order(6, refund="partly"),
        with_order(6, refunds=2),
        with_order(6, refunds=0, refunded=0),
        with_order(4, member_id=MEMBERS[12]),
        lambda books: replace(books, orders=books.orders[:-1]),
        lambda books: replace(books, orders=[*books.orders, books.orders[-1]]),
        with_entry(0, times=10),
        with_entry(1, times=2),
        with_entry(1, amount=1),
        lambda books: replace(books, entries=books.entries[:1]),
        lambda books: replace(books, kept_amount=books.kept_amount + 1),
    ],
)
def test_whatever_is_otherwise_is_found(fault: Callable[[Books], Books]) -> None:
    assert found_in(fault(sound()))
