"""The seed: the worked examples are there, every invariant holds, and twice is once."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.audit import service as audit
from app.catalog import service as catalog
from app.catalog.rules import ProductFilter, ProductSort
from app.core.clock import SystemClock
from app.core.db import Database
from app.core.http.paging import Paging
from app.core.ids import new_id
from app.core.security import Tokens
from app.groupbuy.service import pages
from app.orders import service as orders
from app.seed import Seeded, SeedRefusedError, plant
from app.seed.goods import ARTICLES, BAYBERRIES, CUP, FACE_CREAM, JUICER
from app.seed.history import plan
from app.seed.planting import Ground, read_all
from app.settings import Settings
from app.wiring import WIRING
from tests.conftest import make_settings, rows_in

# As many as it takes to have a second past group; the whole month is the demo's.
DAYS_TESTED = 7


@pytest.fixture
async def planted(settings: Settings) -> AsyncIterator[tuple[Database, Seeded]]:
    database = Database(settings, wiring=WIRING, clock=SystemClock())
    yield database, await plant(database, settings, days=DAYS_TESTED)
    await database.dispose()


async def test_the_seeded_shop_is_what_it_says(
    planted: tuple[Database, Seeded], settings: Settings
) -> None:
    database, seeded = planted
    now = datetime.now(UTC)
    async with database.reading() as db:
        findings = await audit.invariants(db, None, now=now, grace_seconds=60)
        group = await pages.group_page(db, seeded.group_id, None)
        rows = await read_all(
            db,
            Tokens(settings),
            lambda db, page: orders.orders_of_shop(db, seeded.shop_id, {}, page),
        )
    assert {f.name: f.count for f in findings if f.count} == {}
    assert (seeded.products, seeded.members) == (25, 60)
    assert (group.group["capacity"], group.group["paid"], group.group["status"]) == (3, 2, "open")
    assert 15 <= seeded.minutes_left <= 20
    assert len(rows) == seeded.orders == seeded.added
    ages = [(now - row.order["placed_at"]).days for row in rows]
    assert min(ages) == 0, "the waiting group is of today"
    assert max(ages) >= 29, "and a month lies behind it"
    assert {row.order["fulfilment"] for row in rows} == {"none", "received"}

    assert await prices(database, seeded.shop_id, settings) == {
        JUICER: (29_800, None),
        CUP: (8_900, None),
        BAYBERRIES: (19_900, 15_900),
        FACE_CREAM: (5_000, None),
    }
    # The first of the list is the one that the README buys from.
    assert await campaigns_of(database, seeded.shop_id, settings) == [
        ("东魁杨梅三人团", 3, 0, None),
        ("厨房纸巾七人团", 7, 0, 4),
        ("电热水壶阶梯团", 2, 2, None),
    ]
    before = await rows_in(database)
    again = await plant(database, settings, days=DAYS_TESTED)
    assert await rows_in(database) == before
    assert (again.added, again.group_id, again.orders) == (0, seeded.group_id, seeded.orders)


async def campaigns_of(
    database: Database, shop_id: UUID, settings: Settings
) -> list[tuple[str, int, int, int | None]]:
    """Name, size, tiers and how many are enough at the deadline, as members see the list."""
    now = datetime.now(UTC)
    paging = Paging(10, None, Tokens(settings), "test")
    async with database.reading() as db:
        found = await pages.running_campaigns(db, shop_id, paging, now=now)
    said = [card.campaign for card in found.rows]
    return [(row["name"], row["size"], len(row["ladder"]), row["min_paid"]) for row in said]


def test_the_month_is_the_same_at_every_planting() -> None:
    """Otherwise a second run would add a second month."""
    opened_at = datetime(2026, 6, 1, tzinfo=UTC)
    skus = {article.sku: new_id() for article in ARTICLES}
    people = [new_id() for _ in range(60)]
    ground = Ground(new_id(), opened_at, skus, new_id(), new_id(), people)
    purchases = list(plan(ground))
    assert purchases == list(plan(ground))
    days = Counter((purchase.at - opened_at).days for purchase in purchases)
    assert set(days) == set(range(30)), "no day without a purchase"
    assert max(p.at for p in purchases) < opened_at + timedelta(days=30)
    assert sum(1 for p in purchases if p.partners) == 5


async def prices(
    database: Database, shop_id: UUID, settings: Settings
) -> dict[str, tuple[int, int | None]]:
    """List price and price alone of the worked examples, by SKU."""
    paging = Paging(100, None, Tokens(settings), "test")
    async with database.reading() as db:
        products = await catalog.list_products(
            db, shop_id, ProductFilter(), ProductSort.NEWEST, paging
        )
        cards = [c for p in products.rows for c in await catalog.variants_of_product(db, p.id)]
    named = (JUICER, CUP, BAYBERRIES, FACE_CREAM)
    return {c.sku: (c.list_amount, c.solo_amount) for c in cards if c.sku in named}


async def test_production_has_no_place_for_known_passwords(
    database: Database, database_url: str
) -> None:
    production = make_settings(database_url, app_env="production", allow_sandbox=True)
    before = await rows_in(database)
    with pytest.raises(SeedRefusedError):
        await plant(database, production)
    assert await rows_in(database) == before
