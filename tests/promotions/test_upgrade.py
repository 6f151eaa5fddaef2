"""Promotions of older schemas after each migration, and back: nothing they said is lost."""

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
from app.promotions.service.limits import Limits
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


LIMITED = columns(("id", sa.Uuid()), ("kind", sa.String()), ("rule", Json), ("limits", Json))
QUOTAS = sa.table(
    "promotion_quotas",
    sa.column("promotion_id", sa.Uuid()),
    sa.column("slot", sa.String()),
    sa.column("limit_amount", sa.BigInteger()),
    sa.column("taken_amount", sa.BigInteger()),
)


async def counted(connection: Any) -> list[tuple[Any, ...]]:
    statement = sa.select(QUOTAS).order_by(QUOTAS.c.promotion_id, QUOTAS.c.slot)
    return [(row[0].int, *row[1:]) for row in await connection.execute(statement)]


async def say(url: str, *said: dict[str, Any]) -> None:
    """The three promotions, as the second schema keeps what an operator says of them."""

    async def work(connection: Any) -> None:
        for (number, *_), values in zip(SAID, said, strict=True):
            update = sa.update(LIMITED).where(LIMITED.c.id == UUID(int=number))
            await connection.execute(update.values(**values))

    await run(url, work)


async def limited_before(url: str, monkeypatch: pytest.MonkeyPatch, *said: dict[str, Any]) -> None:
    await migrate(command.upgrade, "0001", url, monkeypatch)
    await run(url, fill)
    await migrate(command.upgrade, "0002", url, monkeypatch)
    await say(url, *said)
    await migrate(command.upgrade, "0003", url, monkeypatch)


def tier(price_amount: int, quota_units: int | None) -> dict[str, Any]:
    return {
        "threshold_amount": price_amount * 10,
        "price_amount": price_amount,
        "variant_ids": [str(UUID(int=7))],
        "quota_units": quota_units,
    }


async def test_limits_of_before_there_were_counters_are_counted_from_then_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_on = {"kind": "add_on", "tiers": [tier(100, 7), tier(200, None), tier(300, 3_000_000_000)]}
    none = {"uses_max": None, "member_uses_max": None, "budget_amount": None}
    said = (
        {"limits": {"uses_max": 5, "member_uses_max": 1, "budget_amount": 3_000_000_000}},
        {"limits": none, "kind": "add_on", "rule": add_on},
        {"limits": {**none, "member_uses_max": 2}},
    )
    await limited_before(url, monkeypatch, *said)
    expected = [
        (11, "budget", 3_000_000_000, 0),
        (11, "uses", 5, 0),
        (12, "tier:0", 7, 0),
        (12, "tier:2", 3_000_000_000, 0),
    ]
    assert await run(url, counted) == expected
    slots = [Limits.of(one["limits"], one.get("rule", {})).slots() for one in said]
    assert [dict(slots_of(expected, number)) for number, *_ in SAID] == slots
    await migrate(command.downgrade, "0002", url, monkeypatch)
    await migrate(command.upgrade, "head", url, monkeypatch)
    assert await run(url, counted) == expected


def slots_of(counts: list[tuple[int, str, int, int]], number: int) -> list[tuple[str, int]]:
    return [(slot, limit) for of, slot, limit, _ in counts if of == number]


async def test_a_broken_promotion_does_not_stop_the_upgrade(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limited_before(
        url,
        monkeypatch,
        {"limits": {"uses_max": "many", "budget_amount": -1}, "rule": {"tiers": {"a": 1}}},
        {"limits": [5], "rule": [7]},
        {"limits": {"uses_max": 2**63, "budget_amount": 9}, "rule": {"tiers": [5, tier(1, 4)]}},
    )
    assert await run(url, counted) == [(13, "budget", 9, 0), (13, "tier:1", 4, 0)]
