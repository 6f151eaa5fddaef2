"""Facts: numbered without gaps, heard in order and in the transaction, the same after storage."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.context import SYSTEM, Actor, actor_var
from app.core.db import Database, commit
from app.core.events import (
    Event,
    OutboxEvent,
    Wiring,
    event_from_row,
    flush_events,
    listener_name,
    on,
    record,
)
from app.core.sql import table
from tests.core.conftest import all_rows
from tests.core.little import ThingMade, counters
from tests.fakes import FrozenClock

outbox = table(OutboxEvent)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Part:
    id: UUID
    amounts: tuple[int, ...]
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rich(Event):
    kind: ClassVar[str] = "rich"
    aggregate: ClassVar[str] = "thing"

    ids: tuple[UUID, ...]
    parts: tuple[Part, ...]
    maybe: tuple[UUID, ...] | None
    nothing: UUID | None
    when: datetime
    day: date
    colour: Colour
    pair: tuple[int, UUID]
    by_id: dict[UUID, int]
    names: frozenset[str]
    text: str
    count: int
    yes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(Event):
    kind: ClassVar[str] = "follow"
    aggregate: ClassVar[str] = "thing"

    name: str


def made(clock: FrozenClock, name: str, aggregate_id: UUID | None = None) -> ThingMade:
    return ThingMade(at=clock.now(), shop_id=None, aggregate_id=aggregate_id or uuid4(), name=name)


async def stored(database: Database) -> list[Any]:
    async with database.reading() as db:
        return list((await db.execute(sa.select(outbox).order_by(outbox.c.id))).mappings())


async def test_a_payload_comes_back_as_it_was(database: Database, clock: FrozenClock) -> None:
    now = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    part = Part(id=uuid4(), amounts=(1, 2**40), at=now)
    event = Rich(
        at=now, shop_id=uuid4(), aggregate_id=uuid4(), ids=(uuid4(), uuid4()),
        parts=(part, Part(id=uuid4(), amounts=(), at=None)), maybe=(uuid4(),), nothing=None,
        when=now, day=date(2026, 2, 3), colour=Colour.RED, pair=(1, uuid4()),
        by_id={uuid4(): 3}, names=frozenset({"a"}), text="圈铺 ❤", count=2**62, yes=True,
    )  # fmt: skip
    await database.transact(lambda db: record(db, event))
    (row,) = await stored(database)
    again = event_from_row(Rich, row)
    assert again == event
    assert isinstance(again, Rich)
    assert again.colour is Colour.RED
    assert again.at.tzinfo is not None
    assert (row["kind"], row["version"], row["aggregate"]) == ("rich", 1, "thing")


async def test_an_unknown_field_of_an_older_fact_is_left_out(
    database: Database, clock: FrozenClock
) -> None:
    await database.transact(lambda db: record(db, made(clock, "tea")))
    (row,) = await stored(database)
    older = {**row, "payload": {**row["payload"], "dropped_since": 5}}
    again: Any = event_from_row(ThingMade, older)  # type: ignore[arg-type]
    assert again.name == "tea"


async def test_numbers_run_per_aggregate(database: Database, clock: FrozenClock) -> None:
    one, two = uuid4(), uuid4()

    async def work(db: AsyncSession) -> None:
        for aggregate in (one, two, one, one):
            await record(db, made(clock, "x", aggregate))

    await database.transact(work)
    await database.transact(work)
    numbers: dict[UUID, list[int]] = {one: [], two: []}
    for row in await stored(database):
        numbers[row["aggregate_id"]].append(row["sequence"])
    assert numbers == {one: [1, 2, 3, 4, 5, 6], two: [1, 2]}


@pytest.mark.parametrize("locks", [True, False])
async def test_numbers_have_no_gap_under_concurrency(
    database: Database, clock: FrozenClock, *, locks: bool
) -> None:
    """With the aggregate's row written first, and without: then rivals collide and run again."""
    aggregate = uuid4()
    await database.transact(lambda db: add_counter(db, aggregate))

    async def work(db: AsyncSession) -> None:
        if locks:
            await db.execute(
                sa.update(counters)
                .where(counters.c.id == aggregate)
                .values(taken=counters.c.taken + 1)
            )
        await record(db, made(clock, "x", aggregate))

    rivals = 30 if locks else 3
    await asyncio.gather(*(database.transact(work) for _ in range(rivals)))
    numbers = [row["sequence"] for row in await stored(database)]
    assert sorted(numbers) == list(range(1, rivals + 1))


async def test_a_number_taken_at_the_last_moment_is_run_again(
    database: Database, clock: FrozenClock, backend: str
) -> None:
    """The rival has written the same number and commits while we wait for it."""
    if backend == "sqlite":
        pytest.skip("one writer at a time: a number cannot be taken twice")
    aggregate, attempts = uuid4(), 0

    async def work(db: AsyncSession) -> None:
        nonlocal attempts
        attempts += 1
        await record(db, made(clock, "late", aggregate))

    async with database.writing() as rival:
        await record(rival, made(clock, "first", aggregate))
        await flush_events(rival)
        late = asyncio.create_task(database.transact(work))
        async with database.reading() as db:
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            for _ in range(300):
                if (await db.execute(waiting)).scalar_one():
                    break
                await asyncio.sleep(0.01)
        await commit(rival)
    await late
    numbers = [(row["sequence"], row["payload"]["name"]) for row in await stored(database)]
    assert sorted(numbers) == [(1, "first"), (2, "late")]
    assert attempts == 2


async def add_counter(db: AsyncSession, id_: UUID) -> None:
    await db.execute(sa.insert(counters).values(id=id_, taken=0))


class TestReactions:
    """`REACTIONS`: first stated, first heard, and undone with the rest."""

    heard: ClassVar[list[str]] = []

    @pytest.fixture
    def wiring(self, clock: FrozenClock) -> Wiring:
        heard = self.heard
        heard.clear()

        async def first(db: AsyncSession, event: ThingMade) -> None:
            heard.append(f"first {event.name}")
            if event.name == "tea":
                await record(db, self.follow(clock, "cup"))
                await record(db, self.follow(clock, "pot"))
                heard.append("first ends")

        async def second(db: AsyncSession, event: ThingMade) -> None:
            heard.append(f"second {event.name}")
            await add_counter(db, event.aggregate_id)

        async def followed(db: AsyncSession, event: Follow) -> None:
            heard.append(f"followed {event.name}")
            if event.name == "for ever":
                await record(db, event)

        return Wiring.of(
            (on(ThingMade, first, second), on(Follow, followed)), (), (ThingMade, Follow)
        )

    @staticmethod
    def follow(clock: FrozenClock, name: str) -> Follow:
        return Follow(at=clock.now(), shop_id=None, aggregate_id=uuid4(), name=name)

    async def test_are_heard_in_the_order_of_statement(
        self, database: Database, clock: FrozenClock
    ) -> None:
        async def work(db: AsyncSession) -> None:
            await record(db, made(clock, "tea"))
            self.heard.append("handler goes on")
            await record(db, made(clock, "late"))

        await database.transact(work)
        assert self.heard == [
            "first tea",
            "first ends",
            "second tea",
            "followed cup",
            "followed pot",
            "handler goes on",
            "first late",
            "second late",
        ]
        names = [row["payload"]["name"] for row in await stored(database)]
        assert names == ["tea", "cup", "pot", "late"]
        assert await all_rows(database) == {"outbox_events": 4, "little_counters": 2}

    async def test_roll_back_with_the_transaction(
        self, database: Database, clock: FrozenClock
    ) -> None:
        async def work(db: AsyncSession) -> None:
            await record(db, made(clock, "tea"))
            raise RuntimeError("too bad")

        with pytest.raises(RuntimeError, match="too bad"):
            await database.transact(work)
        assert self.heard
        assert await all_rows(database) == {}

    async def test_that_never_end_are_stopped(self, database: Database, clock: FrozenClock) -> None:
        with pytest.raises(RuntimeError, match="do not come to an end"):
            await database.transact(lambda db: record(db, self.follow(clock, "for ever")))
        assert await all_rows(database) == {}

    async def test_do_not_wait_for_the_worker(
        self, application: FastAPI, database: Database, clock: FrozenClock
    ) -> None:
        assert application.state.database is database
        async with database.writing() as db:
            await record(db, made(clock, "tea"))
            assert "second tea" in self.heard
        assert await all_rows(database) == {}


def test_two_facts_of_one_name_are_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Twin(Event):
        kind: ClassVar[str] = "thing_made"
        aggregate: ClassVar[str] = "thing"

    with pytest.raises(ValueError, match="two events are called thing_made"):
        Wiring.of((), (), (ThingMade, Twin))


def test_a_kind_listed_twice_or_not_at_all_is_refused() -> None:
    async def listen(_db: AsyncSession, _event: Any) -> None: ...

    with pytest.raises(ValueError, match="thing_made stands twice"):
        Wiring.of((on(ThingMade, listen), on(ThingMade, listen)), (), (ThingMade,))
    with pytest.raises(ValueError, match="follow is not among the events"):
        Wiring.of((), (on(Follow, listen),), (ThingMade,))
    with pytest.raises(ValueError, match="two handlers are called"):
        Wiring.of((), (on(ThingMade, listen, listen),), (ThingMade,))


def test_a_listener_is_called_by_package_and_function() -> None:
    assert listener_name(record) == "core.events.record"


@pytest.mark.parametrize("actor", [SYSTEM, Actor("member", uuid4())])
async def test_a_fact_names_who_acted(database: Database, clock: FrozenClock, actor: Actor) -> None:
    fact = ThingMade(at=clock.now(), shop_id=None, aggregate_id=uuid4(), name="x")
    token = actor_var.set(actor)
    await database.transact(lambda db: record(db, fact))
    actor_var.reset(token)
    async with database.reading() as db:
        row = (await db.execute(sa.select(outbox))).mappings().one()
    assert (row["actor_kind"], row["actor_id"]) == (actor.kind, actor.id)
