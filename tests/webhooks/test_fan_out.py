"""From facts to messages: once for each endpoint that wants them, whatever dies in between."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.events import MemberJoined
from app.core.events import Wiring, flush_events, on, record
from app.core.outbox import BACKOFF_SECONDS, Deliverer
from app.webhooks.service import fan_out
from app.wiring import EVENTS, HANDLERS, REACTIONS, WIRING
from tests.factories import statements
from tests.fakes import FrozenClock
from tests.webhooks.switchboard import Switchboard, deliveries, endpoints, outbox


async def pairs(board: Switchboard) -> list[tuple[UUID, UUID]]:
    return [(row["endpoint_id"], row["event_id"]) for row in await board.rows()]


async def test_a_fact_is_put_by_once_for_each_endpoint_that_wants_it(
    board: Switchboard, clock: FrozenClock
) -> None:
    everything = await board.endpoint()
    joined = await board.endpoint("community.member_joined", "order.paid")
    await board.endpoint("order.paid")
    await board.state(("joined", "ann"), ("left", "ann"))
    assert await board.deliver() == 2
    told = {(str(r["endpoint_id"]), r["kind"]) for r in await board.rows()}
    assert told == {
        (everything["endpoint_id"], "community.member_joined"),
        (everything["endpoint_id"], "community.member_left"),
        (joined["endpoint_id"], "community.member_joined"),
    }
    for row in await board.rows():
        assert (row["cause"], row["state"], row["attempts"]) == ("event", "pending", 0)
        assert row["due_at"] == row["created_at"] == clock.now()
        assert row["shop_id"] == board.shop_id


async def test_messages_of_an_endpoint_are_in_the_order_of_the_facts(board: Switchboard) -> None:
    await board.endpoint()
    await board.joined(*"abcdefgh")
    await board.deliver()
    facts = [row["id"] for row in await board.rows(outbox)]
    assert [row["event_id"] for row in await board.rows()] == facts


async def test_shops_never_hear_of_each_other(board: Switchboard) -> None:
    other = await board.shop("other")
    mine = await board.endpoint()
    owner = await board.as_owner(other.id)
    path = f"/v1/operator/shops/{other.id}/webhook-endpoints"
    made = await owner.post(path, {"url": "https://other.example/h", "kinds": ["*"]})
    theirs = made.json()
    await board.joined("ann")
    await board.joined("bob", shop_id=other.id)
    await board.deliver()
    shops = {row["id"]: row["shop_id"] for row in await board.rows(outbox)}
    found = {(str(r["endpoint_id"]), shops[r["event_id"]]) for r in await board.rows()}
    assert found == {(mine["endpoint_id"], board.shop_id), (theirs["endpoint_id"], other.id)}
    assert all(row["shop_id"] == shops[row["event_id"]] for row in await board.rows())


async def test_facts_of_no_shop_go_nowhere(board: Switchboard) -> None:
    await board.endpoint()
    await board.joined("ann")
    strip = sa.update(outbox).values(shop_id=None)
    await board.database.transact(lambda db: db.execute(strip))
    assert await board.deliver() == 1
    assert await board.rows() == []


async def test_a_disabled_or_deleted_endpoint_is_put_nothing_by(board: Switchboard) -> None:
    off, gone, on = [await board.endpoint() for _ in range(3)]
    await board.owner.post(f"{board.path}/{off['endpoint_id']}/disable")
    assert (await board.delete(gone["endpoint_id"])).status_code == 204
    await board.joined("ann")
    await board.deliver()
    heard = {str(row["endpoint_id"]) for row in await board.rows()}
    assert heard == {on["endpoint_id"]}
    # The endpoint that is on hears of the other's end, too.
    assert "webhook.endpoint_disabled" in {row["kind"] for row in await board.rows()}


async def test_a_batch_heard_again_adds_nothing_and_changes_nothing(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.endpoint()
    await board.joined("ann", "bob")
    await board.deliver()
    await board.ended()
    before = await board.rows()
    facts = await board.rows(outbox)
    clock.advance(hours=1)
    for _ in range(3):
        await board.database.transact(lambda db: fan_out(db, facts))
    assert await board.rows() == before


async def test_the_same_batch_heard_by_many_at_once_is_put_by_once(board: Switchboard) -> None:
    for _ in range(3):
        await board.endpoint()
    await board.joined(*"abcdef")
    facts = await board.rows(outbox)
    hear = [board.database.transact(lambda db: fan_out(db, facts)) for _ in range(6)]
    await asyncio.gather(*hear)
    found = await pairs(board)
    assert len(found) == len(set(found)) == 18


async def test_a_crash_between_hearing_and_marking_loses_and_doubles_nothing(
    board: Switchboard, clock: FrozenClock
) -> None:
    """The worker dies after the claim, then after the fan-out; a third one does the rest."""
    await board.endpoint()
    await board.joined("ann", "bob")
    seconds = board.database.settings.outbox_lease_seconds + 1
    first = Deliverer(board.database, WIRING)
    await board.database.transact(lambda db: first._claim(db, clock.now()))
    assert await board.rows() == []
    clock.advance(seconds=seconds)
    claimed = await board.database.transact(lambda db: first._claim(db, clock.now()))
    assert await first._unheard(claimed) == []
    assert len(await board.rows()) == 2
    clock.advance(seconds=seconds)
    assert await board.deliver() == 2
    assert len(await board.rows()) == 2
    assert all(row["done_at"] for row in await board.rows(outbox))


async def test_what_is_rolled_back_is_never_told(board: Switchboard) -> None:
    await board.endpoint()

    fact = MemberJoined(
        at=board.now, shop_id=board.shop_id, aggregate_id=uuid4(), member_id=uuid4()
    )
    async with board.database.writing() as db:
        await record(db, fact)
        await flush_events(db)
        facts = (await db.execute(sa.select(outbox))).mappings().all()
        await fan_out(db, facts)
        assert (await db.execute(sa.select(deliveries.c.id))).scalars().all()
        # No commit: whoever made the session takes all of it back.
    await board.deliver()
    assert await board.rows() == []
    assert await board.rows(outbox) == []


class Deaf:
    """A follower that fails until it is told not to."""

    def __init__(self) -> None:
        self.fails = True
        self.heard: list[int] = []

    async def hear(self, db: AsyncSession, rows: Sequence[sa.RowMapping]) -> None:
        self.heard.append(len(rows))
        await fan_out(db, rows)
        if self.fails:
            raise RuntimeError("deaf")


async def test_a_follower_that_fails_puts_the_batch_off_and_leaves_nothing_behind(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.endpoint()
    await board.joined("ann", "bob")
    deaf = Deaf()
    deliverer = Deliverer(board.database, Wiring.of(REACTIONS, HANDLERS, EVENTS, [deaf.hear]))
    assert await deliverer.run_once() == 2
    assert await board.rows() == []
    for row in await board.rows(outbox):
        assert row["done_at"] is None
        assert row["lease_until"] is None
        assert "Deaf.hear" in row["last_error"]
        assert row["deliver_after"] == clock.now() + timedelta(seconds=BACKOFF_SECONDS[0])
    assert await deliverer.run_once() == 0
    clock.advance(seconds=BACKOFF_SECONDS[0])
    deaf.fails = False
    assert await deliverer.run_once() == 2
    assert deaf.heard == [2, 2]
    assert len(await board.rows()) == 2
    assert all(row["done_at"] and not row["last_error"] for row in await board.rows(outbox))


async def test_handlers_hear_once_what_a_follower_fails_to(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.joined("ann", "bob")
    deaf = Deaf()
    paid: list[UUID] = []

    async def pay(_: AsyncSession, fact: MemberJoined) -> None:
        paid.append(fact.member_id)

    handlers = [on(MemberJoined, pay)]
    deliverer = Deliverer(board.database, Wiring.of(REACTIONS, handlers, EVENTS, [deaf.hear]))
    assert await deliverer.run_once() == 2
    assert len(paid) == 2
    assert all(row["done_at"] is None for row in await board.rows(outbox))
    clock.advance(seconds=BACKOFF_SECONDS[0])
    deaf.fails = False
    assert await deliverer.run_once() == 2
    assert len(paid) == 2
    assert all(row["done_at"] for row in await board.rows(outbox))


async def test_kinds_of_a_newer_release_are_left_to_its_workers(
    board: Switchboard, clock: FrozenClock
) -> None:
    await board.endpoint()
    await board.joined("ann")
    rename = sa.update(outbox).values(kind="community.member_danced")
    await board.database.transact(lambda db: db.execute(rename))
    assert await board.deliver() == 1
    assert await board.rows() == []
    assert (await board.rows(outbox))[0]["done_at"] is None


async def test_without_endpoints_a_batch_costs_one_statement_more(board: Switchboard) -> None:
    counts = []
    for followers in ((), (fan_out,)):
        await board.joined(*"abcdefgh")
        deliverer = Deliverer(board.database, Wiring.of(REACTIONS, HANDLERS, EVENTS, followers))
        with statements(board.database) as seen:
            assert await deliverer.run_once() == 8
        counts.append(len(seen))
    assert counts[1] - counts[0] == 1


async def test_statements_do_not_grow_with_facts_or_endpoints(board: Switchboard) -> None:
    counts = []
    for names, count in (("a", 1), ("abcdefghijkl", 5)):
        for _ in range(count):
            await board.endpoint()
        await board.joined(*names)
        with statements(board.database) as seen:
            await Deliverer(board.database, WIRING).run_once()
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert len(await board.rows()) == 1 + 12 * 6


async def test_an_endpoint_that_is_switched_off_meanwhile_keeps_what_was_put_by(
    board: Switchboard,
) -> None:
    made = await board.endpoint("community.member_joined")
    await board.joined("ann")
    await board.deliver()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/disable")
    await board.joined("bob")
    await board.deliver()
    await board.owner.post(f"{board.path}/{made['endpoint_id']}/enable")
    await board.joined("cem")
    await board.deliver()
    [row] = await board.rows(endpoints)
    assert (row["state"], row["disabled_reason"], row["disabled_at"]) == ("enabled", None, None)
    facts = [r["id"] for r in await board.rows(outbox) if r["kind"] == "community.member_joined"]
    assert [event_id for _, event_id in await pairs(board)] == [facts[0], facts[2]]


async def test_orders_of_the_market_are_told(board: Switchboard) -> None:
    """The whole way: an order that is placed and paid through the API is heard by kind."""
    await board.endpoint("order.placed", "order.paid", "payment.captured")
    ann = await board.buyer("ann")
    await board.pay(ann, await board.place(ann))
    await board.work()
    assert sorted(r["kind"] for r in await board.rows()) == [
        "order.paid",
        "order.placed",
        "payment.captured",
    ]
    assert {row["shop_id"] for row in await board.rows()} == {board.shop_id}
