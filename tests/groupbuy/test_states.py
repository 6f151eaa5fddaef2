"""Whatever members, money and the clock do in whatever order, the counters stay the seats."""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.catalog import service as catalog
from app.catalog.models import ProductStatus
from app.catalog.rules import NewProduct, NewShop, NewVariant
from app.core.errors import Problem
from app.core.sql import table
from app.groupbuy.models import Group, GroupStatus, Seat, SeatStatus
from app.groupbuy.rules.gathering import GROUP_MOVES, SEAT_MOVES
from tests.conftest import make_database, make_settings
from tests.fakes import FrozenClock
from tests.groupbuy.conftest import WIRING
from tests.groupbuy.party import Party, Place, check_invariants

MEMBERS = 5
T = TypeVar("T")


def reachable(state: GroupStatus | SeatStatus) -> set[GroupStatus | SeatStatus]:
    """Every state that one or more moves lead to; one action may make several moves."""
    moves: dict[Any, frozenset[Any]] = {**GROUP_MOVES, **SEAT_MOVES}
    found: set[GroupStatus | SeatStatus] = set()
    edge = set(moves[state])
    while edge:
        found |= edge
        edge = {after for at in edge for after in moves[at]} - found
    return found


class Gathering(RuleBasedStateMachine):
    """One campaign of groups of three with a small quota, five members, and a clock."""

    template: Path
    places = Bundle("places")

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        path = self.template.with_name("states.db")
        shutil.copy(self.template, path)
        self.clock = FrozenClock()
        database = make_database(make_settings(f"sqlite:///{path}"), WIRING, self.clock)
        self.party = Party(database, self.clock)
        self.run(self._fill())

    async def _fill(self) -> None:
        party, database, now = self.party, self.party.database, self.clock.now()
        shop = await database.transact(
            lambda db: catalog.create_shop(db, NewShop("hill", "杨梅山", "CNY"), now=now)
        )
        product = await database.transact(
            lambda db: catalog.create_product(db, shop.id, NewProduct("杨梅"), now=now)
        )
        variant = await database.transact(
            lambda db: catalog.create_variant(
                db, shop.id, product.id, NewVariant("S-1", "2.5kg", 19_900), now=now
            )
        )
        await database.transact(
            lambda db: catalog.move_product(db, shop.id, product.id, ProductStatus.ON_SALE, now=now)
        )
        party.shop_id, party.product_id, party.variant_id = shop.id, product.id, variant.id
        self.members = await party.members(MEMBERS)
        self.campaign_id: UUID = await party.campaign(size=3, stock_quota=12, group_seconds=600)
        self.seen: dict[UUID, GroupStatus | SeatStatus] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def attempt(self, work: Coroutine[Any, Any, T]) -> T | None:
        """A refusal is an answer; that it wrote nothing is what the invariants see."""
        try:
            return self.run(work)
        except Problem:
            return None

    @rule(
        target=places, who=st.integers(0, MEMBERS - 1), units=st.integers(1, 3), pays=st.booleans()
    )
    def open(self, who: int, units: int, *, pays: bool) -> Any:
        place = self.attempt(self.party.open(self.campaign_id, self.members[who], units))
        if place is not None and pays:
            self.run(self.party.pay(place))
        return multiple() if place is None else place

    @rule(
        target=places,
        place=places,
        who=st.integers(0, MEMBERS - 1),
        pays=st.booleans(),
    )
    def join(self, place: Place, who: int, *, pays: bool) -> Any:
        joined = self.attempt(self.party.join(place.group_id, self.members[who]))
        if joined is not None and pays:
            self.run(self.party.pay(joined))
        return multiple() if joined is None else joined

    @rule(place=places, late_seconds=st.sampled_from([0, 0, 30, 700]))
    def pay(self, place: Place, late_seconds: int) -> None:
        """The news of a payment comes some time after it was captured."""
        captured_at = self.clock.now()
        self.clock.advance(seconds=late_seconds)
        self.run(self.party.pay(place, captured_at=captured_at))

    @rule(place=places)
    def release(self, place: Place) -> None:
        self.run(self.party.release(place))

    @rule(place=places)
    def leave(self, place: Place) -> None:
        self.attempt(self.party.leave(place))

    @rule(place=places, seconds=st.sampled_from([0, 60, 599, 660]))
    def sweep(self, place: Place, seconds: int) -> None:
        self.clock.advance(seconds=seconds)
        self.run(self.party.settle(place.group_id))

    @invariant()
    def counters_are_the_seats(self) -> None:
        if hasattr(self, "seen"):
            self.run(check_invariants(self.party.database))

    @invariant()
    def states_move_only_as_the_tables_say(self) -> None:
        if not hasattr(self, "seen"):
            return
        now_is = self.run(self._states())
        for key, state in now_is.items():
            before = self.seen.get(key, state)
            assert state == before or state in reachable(before), (key, before, state)
        self.seen = now_is

    async def _states(self) -> dict[UUID, GroupStatus | SeatStatus]:
        groups, seats = table(Group), table(Seat)
        async with self.party.database.snapshot() as db:
            rows = [
                *(await db.execute(sa.select(groups.c.id, groups.c.status))),
                *(await db.execute(sa.select(seats.c.id, seats.c.status))),
            ]
        return {row.id: row.status for row in rows}

    def teardown(self) -> None:
        if hasattr(self, "party"):
            self.run(self.party.database.dispose())
            self.runner.close()


def test_no_order_of_things_loses_count(sqlite_template: Path) -> None:
    Gathering.template = sqlite_template
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Gathering,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
