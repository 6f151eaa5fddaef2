"""Promotions of the first schema after the migration, and back: nothing they said is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from app.cli.migrations import alembic_config
from app.core.sql import Json
from tests.conftest import make_settings, own_postgresql

SHOP = UUID(int=1)
GROUP = str(UUID(int=9))
# Id, status before and after, and what it asks for.
SAID: list[tuple[int, str, str, dict[str, Any]]] = [
    (11, "draft", "draft", {}),
    (12, "active", "live", {"community_ids": [GROUP], "new_buyers_only": True}),
    (13, "stopped", "ended", {"member_tags_any": ["a", "b"]}),
]


@pytest.fixture
async def url(backend: str, tmp_path: Path) -> AsyncIterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    async with own_postgresql([]) as found:
        yield found


async def run(url: str, work: Any) -> Any:
    engine = create_async_engine(make_settings(url).sqlalchemy_url)
    async with engine.begin() as connection:
        done = await work(connection)
    await engine.dispose()
    return done


async def migrate(to: Any, revision: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    await asyncio.to_thread(to, alembic_config(), revision)


async def fill(connection: Any) -> None:
    """A shop with three promotions, as the first schema keeps them."""
    tables = sa.MetaData()
    await connection.run_sync(lambda c: tables.reflect(c, only=["shops", "promotions"]))
    shops, promotions = (tables.tables[name] for name in ("shops", "promotions"))
    # SQLite reflects ids and moments as the texts and numbers it keeps.
    kinds: dict[str, Any] = {"id": sa.Uuid(), "shop_id": sa.Uuid()}
    for each in (shops, promotions):
        for column in each.c:
            if column.name in {*kinds, "rule", "match", "community_ids", "member_tags_any"}:
                column.type = kinds.get(column.name, Json)
            elif column.name == "created_at":
                column.type = sa.DateTime(timezone=True)
    at = sa.func.now()
    await connection.execute(
        sa.insert(shops).values(
            id=SHOP,
            slug="hill",
            name="杨梅山",
            currency="CNY",
            time_zone="Asia/Shanghai",
            status="open",
            shipping_flat_amount=0,
            allow_free_orders=False,
            version=1,
            created_at=at,
        )
    )
    for number, status, _, asked in SAID:
        await connection.execute(
            sa.insert(promotions).values(
                id=UUID(int=number),
                shop_id=SHOP,
                kind="percent_off",
                status=status,
                name_zh="八折",
                name_en="20% off",
                rule={"kind": "percent_off", "off_bp": 2_000},
                match={},
                new_buyers_only=asked.get("new_buyers_only", False),
                community_ids=asked.get("community_ids", []),
                member_tags_any=asked.get("member_tags_any", []),
                exclusive=False,
                version=1,
                created_at=at,
            )
        )


def columns(*named: tuple[str, Any]) -> sa.TableClause:
    return sa.table("promotions", *(sa.column(name, kind) for name, kind in named))


NEW = columns(
    ("id", sa.Uuid()),
    ("status", sa.String()),
    ("conditions", Json),
    ("limits", Json),
    ("needs_coupon", sa.Boolean()),
    ("priority", sa.Integer()),
)
OLD = columns(
    ("id", sa.Uuid()),
    ("status", sa.String()),
    ("new_buyers_only", sa.Boolean()),
    ("community_ids", Json),
    ("member_tags_any", Json),
)


async def rows(connection: Any, of: Any) -> list[tuple[Any, ...]]:
    found = await connection.execute(sa.select(of).order_by(of.c.id))
    return [tuple(row) for row in found]


async def test_what_promotions_said_is_carried_over_and_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(command.upgrade, "0001", url, monkeypatch)
    await run(url, fill)
    before = await run(url, lambda c: rows(c, OLD))
    await migrate(command.upgrade, "0002", url, monkeypatch)
    none = {"uses_max": None, "member_uses_max": None, "budget_amount": None}
    assert await run(url, lambda c: rows(c, NEW)) == [
        (UUID(int=number), after, asked, none, False, 0) for number, _, after, asked in SAID
    ]
    shops = sa.text("SELECT promotion_policy, discount_cap_bp FROM shops")
    assert (await run(url, lambda c: c.execute(shops))).all() == [("best_for_buyer", 10_000)]
    await migrate(command.downgrade, "0001", url, monkeypatch)
    assert await run(url, lambda c: rows(c, OLD)) == before


async def test_what_the_older_version_cannot_say_is_stopped_on_the_way_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its conditions or its pause it would be a gift to everybody."""
    await migrate(command.upgrade, "0001", url, monkeypatch)
    await run(url, fill)
    await migrate(command.upgrade, "0002", url, monkeypatch)

    async def say_more(connection: Any) -> None:
        for number, values in (
            (11, {"status": "live", "conditions": {"nth_order": 3}}),
            (12, {"status": "paused"}),
            (13, {"status": "live", "limits": {"uses_max": 5}}),
        ):
            update = sa.update(NEW).where(NEW.c.id == UUID(int=number))
            await connection.execute(update.values(**values))

    await run(url, say_more)
    await migrate(command.downgrade, "0001", url, monkeypatch)
    found = await run(url, lambda c: rows(c, OLD))
    assert [row[1] for row in found] == ["stopped"] * 3
