"""Members and operators for tests, signed in over HTTP like real ones."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import event

from app.core.audit_log import AuditEntry
from app.core.db import Database
from app.core.ids import new_id
from app.core.sql import table
from app.identity import service
from app.identity.rules import PlatformRole, ShopRole
from app.settings import Settings

PASSWORD = "a quiet lake at dawn"
OTHER_PASSWORD = "eleven green bottles"


@dataclass(frozen=True)
class Person:
    id: UUID
    headers: dict[str, str]
    refresh_token: str

    def keyed(self) -> dict[str, str]:
        return {**self.headers, "Idempotency-Key": new_id().hex}


class People:
    def __init__(self, application: FastAPI, client: httpx2.AsyncClient) -> None:
        self.application = application
        self.client = client
        self.database: Database = application.state.database
        self.settings: Settings = application.state.settings

    def _now(self) -> Any:
        return self.application.state.clock.now()

    async def member(self, name: str = "lin") -> Person:
        answer = await self.client.post("/v1/auth/wechat", json={"code": f"sandbox-{name}"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        return Person(UUID(told["member_id"]), bearer(told), told["refresh_token"])

    async def new_operator(self, email: str, platform_role: PlatformRole | None = None) -> UUID:
        password_hash = await self.application.state.passwords.hash(PASSWORD)
        return await self.database.transact(
            lambda db: service.create_operator(
                db,
                email=email,
                password_hash=password_hash,
                platform_role=platform_role,
                now=self._now(),
            )
        )

    async def grant(self, operator_id: UUID, shop_id: UUID, role: ShopRole) -> None:
        await self.database.transact(
            lambda db: service.grant_role(db, operator_id, shop_id, role, now=self._now())
        )

    async def operator(
        self,
        email: str = "owner@shop.example",
        roles: Sequence[tuple[UUID, ShopRole]] = (),
        platform_role: PlatformRole | None = None,
    ) -> Person:
        operator_id = await self.new_operator(email, platform_role)
        for shop_id, role in roles:
            await self.grant(operator_id, shop_id, role)
        return await self.sign_in(operator_id, email)

    async def sign_in(self, operator_id: UUID, email: str, password: str = PASSWORD) -> Person:
        answer = await self.try_sign_in(email, password)
        assert answer.status_code == 200, answer.text
        return Person(operator_id, bearer(answer.json()), answer.json()["refresh_token"])

    async def try_sign_in(self, email: str, password: str) -> httpx2.Response:
        form = {"grant_type": "password", "username": email, "password": password}
        return await self.client.post("/v1/operator/auth/sign-in", data=form)

    async def audit_actions(self) -> list[str]:
        entries = table(AuditEntry)
        async with self.database.reading() as db:
            statement = sa.select(entries.c.action).order_by(entries.c.id)
            return list((await db.execute(statement)).scalars())

    async def rows(self, model: Any) -> list[dict[str, Any]]:
        async with self.database.reading() as db:
            found = await db.execute(sa.select(table(model)))
            return [dict(row) for row in found.mappings()]

    async def update(self, model: Any, **values: Any) -> None:
        async def work(db: Any) -> None:
            await db.execute(sa.update(table(model)).values(**values))

        await self.database.transact(work)


def bearer(told: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {told['access_token']}"}


def refused(answer: httpx2.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


@asynccontextmanager
async def statements_of(database: Database) -> AsyncIterator[list[str]]:
    """The SQL that both pools run meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _u: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    engines = [database.reader.sync_engine, database.writer.sync_engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
