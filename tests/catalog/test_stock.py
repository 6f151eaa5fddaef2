"""Stock moves all or nothing, never oversold or undersold, whoever comes at the bad moment."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.errors import OutOfStock, StockBelowCommitted
from app.catalog.models import Stock
from app.core.db import commit
from app.core.errors import NotFound
from app.core.sql import table
from tests.conftest import rows_in
from tests.factories import Stand, statements

Move = Callable[[AsyncSession, dict[UUID, int]], Awaitable[None]]


async def _do(stand: Stand, move: Move, units: dict[UUID, int]) -> None:
    """One transaction without a second try, so that no collision is hidden."""
    async with stand.database.writing() as db:
        await move(db, units)
        await commit(db)


async def test_the_whole_way_of_a_unit(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=10)
    steps: list[tuple[Move, int, tuple[int, int, int]]] = [
        (catalog.reserve, 10, (10, 10, 0)),
        (catalog.release, 4, (10, 6, 0)),
        (catalog.claim, 6, (10, 0, 6)),
        (catalog.give_back, 2, (10, 0, 4)),
        (catalog.reserve, 6, (10, 6, 4)),
    ]
    for move, quantity, expected in steps:
        await _do(stand, move, {variant.id: quantity})
        assert await stand.stock(shop.id, variant.id) == expected


async def test_reserving_takes_of_every_variant_or_of_none(stand: Stand) -> None:
    shop = await stand.shop()
    plenty = await stand.goods(shop.id, units=10)
    few = await stand.goods(shop.id, units=2)
    unknown = UUID(int=5)
    before = await rows_in(stand.database)
    async with stand.database.writing() as db:
        with pytest.raises(OutOfStock) as refusal:
            await catalog.reserve(db, {plenty.id: 10, few.id: 3, unknown: 1})
        # Even a caller who commits after the refusal has moved nothing.
        await commit(db)
    assert refusal.value.params == {
        "variants": [
            {"variant_id": str(few.id), "requested": 3, "available": 2},
            {"variant_id": str(unknown), "requested": 1, "available": 0},
        ]
    }
    assert await stand.stock(shop.id, plenty.id) == (10, 0, 0)
    assert await stand.stock(shop.id, few.id) == (2, 0, 0)
    assert await rows_in(stand.database) == before


@pytest.mark.parametrize("move", [catalog.claim, catalog.release, catalog.give_back])
async def test_moving_what_nobody_holds_is_a_programming_error(stand: Stand, move: Move) -> None:
    shop = await stand.shop()
    held = await stand.goods(shop.id, units=5)
    other = await stand.goods(shop.id, units=5)
    await _do(stand, catalog.reserve, {held.id: 2})
    await _do(stand, catalog.reserve, {held.id: 1})
    await _do(stand, catalog.claim, {held.id: 1})
    for units in ({held.id: 3}, {held.id: 1, other.id: 1}, {UUID(int=5): 1}):
        with pytest.raises(RuntimeError, match="nobody held"):
            await _do(stand, move, units)
    assert await stand.stock(shop.id, held.id) == (5, 2, 1)
    assert await stand.stock(shop.id, other.id) == (5, 0, 0)


@pytest.mark.parametrize(
    "move", [catalog.reserve, catalog.claim, catalog.release, catalog.give_back]
)
async def test_nothing_to_move_and_nonsense(stand: Stand, move: Move) -> None:
    with statements(stand.database) as seen:
        await _do(stand, move, {})
        with pytest.raises(ValueError, match="at least 1"):
            await _do(stand, move, {UUID(int=5): 0})
    assert seen == []


async def test_one_statement_for_any_number_of_variants(stand: Stand) -> None:
    shop = await stand.shop()
    product = await stand.product(shop.id)
    ids = [(await stand.variant(shop.id, product.id, units=9)).id for _ in range(50)]
    for move in (catalog.reserve, catalog.release, catalog.reserve, catalog.claim):
        for count in (1, 50):
            with statements(stand.database) as seen:
                await _do(stand, move, dict.fromkeys(ids[:count], 1))
            assert len(seen) == 1, move
    assert await stand.stock(shop.id, ids[0]) == (9, 0, 2)
    assert await stand.stock(shop.id, ids[49]) == (9, 0, 1)


@pytest.mark.parametrize(
    "values",
    [
        {"reserved": 6},
        {"sold": 6},
        {"reserved": 3, "sold": 3},
        {"reserved": -1},
        {"sold": -1},
        {"on_hand": -1},
    ],
)
async def test_the_database_itself_refuses_impossible_stock(
    stand: Stand, values: dict[str, int]
) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=5)
    stock = table(Stock)
    async with stand.database.writing() as db:
        with pytest.raises(IntegrityError):
            await db.execute(
                sa.update(stock).where(stock.c.variant_id == variant.id).values(**values)
            )


async def test_adjusting_down_to_what_is_committed_and_no_further(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("other")
    variant = await stand.goods(shop.id, units=10)
    await _do(stand, catalog.reserve, {variant.id: 3})
    await _do(stand, catalog.claim, {variant.id: 1})

    async def adjust(shop_id: UUID, quantity: int) -> Stock:
        return await stand.database.transact(
            lambda db: catalog.adjust_stock(db, shop_id, variant.id, quantity, "count", stand.now)
        )

    after = await adjust(shop.id, -7)
    assert (after.on_hand, after.reserved, after.sold) == (3, 2, 1)
    before = await rows_in(stand.database)
    with pytest.raises(StockBelowCommitted) as refusal:
        await adjust(shop.id, -1)
    assert refusal.value.params == {"on_hand": 3, "reserved": 2, "sold": 1}
    with pytest.raises(NotFound):
        await adjust(other.id, 1)
    assert await rows_in(stand.database) == before
    assert await stand.stock(shop.id, variant.id) == (3, 2, 1)


async def _until_blocked(stand: Stand) -> None:
    """Wait until the rival stands at the row's lock (PostgreSQL) or at the writer's (SQLite)."""
    if stand.database.settings.is_sqlite:
        await asyncio.sleep(0.05)
        return
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(200):
        async with stand.database.reading() as db:
            if (await db.execute(waiting)).scalar_one():
                return
        await asyncio.sleep(0.01)
    raise AssertionError("the rival never had to wait")


async def test_who_waited_for_a_release_gets_what_was_released(stand: Stand) -> None:
    """A statement that waited must not decide by the stock it saw before it waited."""
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=1)
    await _do(stand, catalog.reserve, {variant.id: 1})
    async with stand.database.writing() as db:
        await catalog.release(db, {variant.id: 1})
        rival = asyncio.create_task(_do(stand, catalog.reserve, {variant.id: 1}))
        await _until_blocked(stand)
        await commit(db)
    await rival
    assert await stand.stock(shop.id, variant.id) == (1, 1, 0)


async def test_who_waited_for_a_buyer_finds_nothing_left(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=3)
    async with stand.database.writing() as db:
        await catalog.reserve(db, {variant.id: 2})
        rival = asyncio.create_task(_do(stand, catalog.reserve, {variant.id: 2}))
        await _until_blocked(stand)
        await commit(db)
    with pytest.raises(OutOfStock) as refusal:
        await rival
    assert refusal.value.params == {
        "variants": [{"variant_id": str(variant.id), "requested": 2, "available": 1}]
    }
    assert await stand.stock(shop.id, variant.id) == (3, 2, 0)


async def test_two_buyers_who_both_fit_both_get_theirs(stand: Stand) -> None:
    shop = await stand.shop()
    variant = await stand.goods(shop.id, units=4)
    async with stand.database.writing() as db:
        await catalog.reserve(db, {variant.id: 2})
        rival = asyncio.create_task(_do(stand, catalog.reserve, {variant.id: 2}))
        await _until_blocked(stand)
        await commit(db)
    await rival
    assert await stand.stock(shop.id, variant.id) == (4, 4, 0)


async def _deadlocks(stand: Stand) -> int:
    if stand.database.settings.is_sqlite:
        return 0
    await asyncio.sleep(1.1)  # a connection reports its statistics at most once a second
    told = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    async with stand.database.reading() as db:
        count: int = (await db.execute(told)).scalar_one()
        return count


async def test_a_swarm_in_both_orders_sells_exactly_what_there_is(stand: Stand) -> None:
    shop = await stand.shop()
    first = await stand.goods(shop.id, units=40)
    second = await stand.goods(shop.id, units=60)
    before = await _deadlocks(stand)

    def units(number: int) -> dict[UUID, int]:
        return dict.fromkeys([first.id, second.id][:: 1 if number % 2 else -1], 1)

    async def buy(number: int) -> bool:
        try:
            await _do(stand, catalog.reserve, units(number))
        except OutOfStock:
            return False
        await _do(stand, catalog.claim, units(number))
        return True

    async def give_back(number: int) -> bool:
        await _do(stand, catalog.give_back, units(number))
        return False

    bought = await asyncio.gather(*(buy(number) for number in range(64)))
    assert bought.count(True) == 40
    assert await stand.stock(shop.id, first.id) == (40, 0, 40)
    assert await stand.stock(shop.id, second.id) == (60, 0, 40)

    both = [task(number) for number in range(32) for task in (give_back, buy)]
    again = (await asyncio.gather(*both)).count(True)
    assert await stand.stock(shop.id, first.id) == (40, 0, 8 + again)
    while await buy(0):
        again += 1
    assert again == 32
    assert await stand.stock(shop.id, first.id) == (40, 0, 40)
    assert await stand.stock(shop.id, second.id) == (60, 0, 40)
    assert await _deadlocks(stand) == before
