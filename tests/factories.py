"""A market stand for tests: shops, goods, people and their tokens, made through the services."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import ProductStatus, Shop, Variant
from app.catalog.rules import NewProduct, NewShop, NewVariant, ProductCard
from app.core.db import Database
from app.core.ids import new_id
from app.core.security import Claims, PrincipalKind, fingerprint
from app.core.sql import table
from app.identity import service as identity
from app.identity.models import Session, SessionKind
from app.identity.rules import PlatformRole, ShopRole
from tests.fakes import FrozenClock


@dataclass
class Stand:
    """The application at hand and short ways to fill it."""

    application: FastAPI
    clock: FrozenClock
    client: httpx2.AsyncClient

    @property
    def database(self) -> Database:
        found: Database = self.application.state.database
        return found

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def shop(self, slug: str = "hill", **more: Any) -> Shop:
        wanted = NewShop(slug=slug, name="杨梅山", currency="CNY", **more)
        return await self.database.transact(
            lambda db: catalog.create_shop(db, wanted, now=self.now)
        )

    async def product(
        self, shop_id: UUID, title: str = "东魁杨梅", *, on_sale: bool = True, **more: Any
    ) -> ProductCard:
        """A product with one variant (unless drafted) for 9900."""
        wanted = NewProduct(title=title, **more)
        made = await self.database.transact(
            lambda db: catalog.create_product(db, shop_id, wanted, now=self.now)
        )
        if not on_sale:
            return made
        await self.variant(shop_id, made.id)
        return await self.database.transact(
            lambda db: catalog.move_product(
                db, shop_id, made.id, ProductStatus.ON_SALE, now=self.now
            )
        )

    async def variant(
        self, shop_id: UUID, product_id: UUID, *, units: int = 0, **more: Any
    ) -> Variant:
        values = {"sku": f"S-{uuid4().hex[:12]}", "title": "2.5kg", "list_amount": 9_900, **more}

        async def make(db: AsyncSession) -> Variant:
            wanted = NewVariant(**values)
            made = await catalog.create_variant(db, shop_id, product_id, wanted, now=self.now)
            if units:
                await catalog.adjust_stock(db, shop_id, made.id, units, "delivery", self.now)
            return made

        return await self.database.transact(make)

    async def goods(self, shop_id: UUID, *, units: int, **more: Any) -> Variant:
        """A variant on sale with so many units."""
        made = await self.product(shop_id, on_sale=False)
        variant = await self.variant(shop_id, made.id, units=units, **more)
        await self.database.transact(
            lambda db: catalog.move_product(
                db, shop_id, made.id, ProductStatus.ON_SALE, now=self.now
            )
        )
        return variant

    async def stock(self, shop_id: UUID, variant_id: UUID) -> tuple[int, int, int]:
        """On hand, reserved, sold."""
        async with self.database.reading() as db:
            row = await catalog.stock_of(db, shop_id, variant_id)
        return row.on_hand, row.reserved, row.sold

    async def member(self, name: str = "") -> UUID:
        openid = name or uuid4().hex
        return await self.database.transact(
            lambda db: identity.create_member(db, openid=openid, nickname=name, now=self.now)
        )

    async def operator(
        self,
        shop_id: UUID | None = None,
        *,
        role: ShopRole = ShopRole.OWNER,
        platform: PlatformRole | None = None,
    ) -> UUID:
        async def make(db: AsyncSession) -> UUID:
            made = await identity.create_operator(
                db,
                email=f"{uuid4().hex}@example.com",
                password_hash="unused",
                platform_role=platform,
                now=self.now,
            )
            if shop_id is not None:
                await identity.grant_role(db, made, shop_id, role, now=self.now)
            return made

        return await self.database.transact(make)

    async def token(self, kind: PrincipalKind, subject_id: UUID) -> dict[str, str]:
        """Request headers of somebody signed in, with a fresh Idempotency-Key."""
        session_id = new_id()
        row = Session(
            id=session_id,
            kind=SessionKind(kind.value),
            subject_id=subject_id,
            refresh_hash=fingerprint(uuid4().hex),
            created_at=self.now,
            expires_at=self.now + timedelta(days=1),
        )

        async def open_session(db: AsyncSession) -> None:
            await db.execute(sa.insert(table(Session)).values(row.model_dump()))

        await self.database.transact(open_session)
        claims = Claims(subject_id, session_id, kind)
        access = self.application.state.tokens.access(claims, now=self.now)
        return {"Authorization": f"Bearer {access}"}

    async def as_member(self, member_id: UUID) -> "Caller":
        return Caller(self.client, await self.token(PrincipalKind.MEMBER, member_id))

    async def as_operator(self, operator_id: UUID) -> "Caller":
        return Caller(self.client, await self.token(PrincipalKind.OPERATOR, operator_id))

    async def as_owner(self, shop_id: UUID) -> "Caller":
        return await self.as_operator(await self.operator(shop_id))


@dataclass
class Caller:
    """Somebody signed in, whose POSTs carry a new key each."""

    client: httpx2.AsyncClient
    headers: Mapping[str, str]

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        return await self.client.get(path, params=params, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx2.Response:
        headers = {**self.headers, "Idempotency-Key": uuid4().hex}
        if body is None:
            return await self.client.post(path, headers=headers)
        return await self.client.post(path, json=body, headers=headers)

    async def put(self, path: str, body: Any) -> httpx2.Response:
        return await self.client.put(path, json=body, headers=self.headers)

    async def patch(self, path: str, body: Any, version: int | None = None) -> httpx2.Response:
        match = {} if version is None else {"If-Match": f'"{version}"'}
        return await self.client.patch(path, json=body, headers={**self.headers, **match})


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL statements that both pools run meanwhile, without transaction control."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.split(None, 1)[0] in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}:
            seen.append(statement)

    engines = [database.writer.sync_engine, database.reader.sync_engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
