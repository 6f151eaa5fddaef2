"""The shop that is measured: made once through the services, then multiplied in the tables."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import Product, ProductTag, Stock, StockAdjustment, Variant
from app.catalog.rules import NewCategory
from app.community import service as community
from app.community.rules import NewCommunity
from app.core.ids import new_id
from app.core.sql import table
from app.promotions import service as promotions
from app.promotions.rules import PromotionWish
from bench.shopping import Ground
from tests.conftest import postgresql_url
from tests.orders.market import Market

TAGS = [f"t{n}" for n in range(20)]
UNITS = 1_000_000
BUYERS = 40
COMMUNITIES = 4
CAMPAIGNS = 40


@asynccontextmanager
async def empty_database(template: str | None = None) -> AsyncIterator[str]:
    """The address of a PostgreSQL database of one's own: empty, or a copy of another."""
    server = postgresql_url()
    assert server
    name = f"quanpu_bench_{uuid4().hex[:10]}"
    admin = await asyncpg.connect(server)
    copied = "" if template is None else f' TEMPLATE "{urlsplit(template).path[1:]}"'
    await admin.execute(f'CREATE DATABASE "{name}"{copied}')
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


async def prepare(market: Market, *, products: int, promoted: int) -> Ground:
    """One shop with so many products of two variants each and so many active promotions."""
    shop = await market.shop("bench", shipping_flat_amount=600)
    market.shop_id = shop.id
    category_ids = await _categories(market)
    product_ids, variant_ids = await add_products(market, category_ids, products)
    await add_promotions(market, category_ids, product_ids, promoted)
    buyers = await _buyers(market)
    campaign_ids = await _campaigns(market)
    await analyze(market)
    return Ground(
        str(shop.id),
        [str(i) for i in product_ids],
        [str(i) for i in variant_ids],
        buyers,
        campaign_ids,
        str(market.variant_id),
    )


async def _campaigns(market: Market) -> list[str]:
    """Campaigns of two with a quota on one variant; each has room for half of the buyers."""
    goods = await market.goods(market.shop_id, units=UNITS, list_amount=9_900, solo_amount=8_900)
    market.variant_id, market.product_id = goods.id, goods.product_id
    made = [
        await market.campaign(size=2, group_amount=5_900, stock_quota=UNITS)
        for _ in range(CAMPAIGNS)
    ]
    return [str(campaign_id) for campaign_id in made]


async def _categories(market: Market) -> list[UUID]:
    async def make(db: AsyncSession) -> list[UUID]:
        made = []
        for n in range(4):
            above = await catalog.create_category(
                db, market.shop_id, NewCategory(f"部 {n}"), now=market.now
            )
            for m in range(5):
                wanted = NewCategory(f"类 {n}.{m}", above.id)
                below = await catalog.create_category(db, market.shop_id, wanted, now=market.now)
                made.append(below.id)
        return made

    return await market.database.transact(make)


async def add_products(
    market: Market, category_ids: Sequence[UUID], count: int
) -> tuple[list[UUID], list[UUID]]:
    """Products like one that the services have made, each with two variants in stock."""
    first = await market.goods(market.shop_id, units=UNITS, list_amount=9_900, solo_amount=8_900)
    product_ids, variant_ids = (
        [new_id() for _ in range(count)],
        [new_id() for _ in range(2 * count)],
    )

    async def multiply(db: AsyncSession) -> None:
        async def copies(
            model: Any, column: str, value: UUID, changes: list[dict[str, Any]]
        ) -> None:
            target = table(model)
            found = (
                await db.execute(sa.select(target).where(target.c[column] == value))
            ).mappings()
            row = dict(found.one())
            await db.execute(sa.insert(target), [{**row, **more} for more in changes])

        await copies(
            Product,
            "id",
            first.product_id,
            [
                {
                    "id": i,
                    "title": f"好物 {n:05}",
                    "category_id": category_ids[n % len(category_ids)],
                    "lowest_amount": 1_000 + n,
                }
                for n, i in enumerate(product_ids)
            ],
        )
        pairs = [
            (i, product_ids[n // 2], 1_000 + n // 2 + n % 2 * 500)
            for n, i in enumerate(variant_ids)
        ]
        await copies(
            Variant,
            "id",
            first.id,
            [
                {
                    "id": i,
                    "product_id": product_id,
                    "sku": f"B-{i.hex}",
                    "list_amount": amount,
                    "solo_amount": amount - 50,
                }
                for i, product_id, amount in pairs
            ],
        )
        each = [{"variant_id": i} for i in variant_ids]
        await copies(Stock, "variant_id", first.id, each)
        await copies(StockAdjustment, "variant_id", first.id, [{**e, "id": new_id()} for e in each])
        tags = [
            {"product_id": i, "tag": TAGS[(n + k * 7) % len(TAGS)]}
            for n, i in enumerate(product_ids)
            for k in range(2)
        ]
        await db.execute(sa.insert(table(ProductTag)), tags)

    await market.database.transact(multiply)
    return product_ids, variant_ids


async def add_promotions(
    market: Market, category_ids: Sequence[UUID], product_ids: Sequence[UUID], count: int
) -> None:
    """Live promotions: six of ten on a few products, three on a category or tag, one on all."""

    def match(n: int) -> Mapping[str, Sequence[str]]:
        if n % 10 < 6:
            return {
                "product_ids": [
                    str(product_ids[(n * 37 + k) % len(product_ids)]) for k in range(20)
                ]
            }
        if n % 10 < 8:
            return {"category_ids": [str(category_ids[n % len(category_ids)])]}
        return {"tags_any": [TAGS[n % len(TAGS)]]} if n % 10 == 8 else {}

    async def make(db: AsyncSession) -> None:
        for n in range(count):
            wish = PromotionWish(
                name_zh=f"折扣 {n}",
                name_en=f"Discount {n}",
                rule={"kind": "percent_off", "off_bp": 300 + n * 11 % 2_500},
                match=match(n),
                conditions={"new_buyers_only": n % 5 == 4},
                exclusive=n % 10 == 3,
            )
            made = await promotions.create(db, market.shop_id, wish, now=market.now)
            await promotions.activate(db, market.shop_id, made["id"], now=market.now)

    await market.database.transact(make)


async def _buyers(market: Market) -> list[dict[str, str]]:
    """Buyers who are signed in; half of them in communities, with tags."""
    database, now = market.database, market.now
    founded = [
        await database.transact(
            lambda db, n=n: community.create_community(
                db, market.shop_id, NewCommunity(f"群 {n}"), now=now
            )
        )
        for n in range(COMMUNITIES)
    ]
    made = []
    for n in range(BUYERS):
        member_id = await market.member(f"buyer-{n}")
        if n % 2:
            await database.transact(
                lambda db, m=member_id, n=n: community.join(
                    db, m, founded[n % COMMUNITIES].id, now=now
                )
            )
        made.append(dict((await market.as_member(member_id)).headers))
    return made


async def analyze(market: Market) -> None:
    """Let the planner see what was written in bulk."""
    async with market.database.writer.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.exec_driver_sql("VACUUM ANALYZE")
