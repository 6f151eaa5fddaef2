"""A shop's post office for tests: endpoints, facts fanned out, and senders."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook

from app.catalog import service as catalog
from app.catalog.rules import NewShop
from app.community.events import MemberJoined
from app.core.db import Database
from app.core.events import record
from app.core.ids import new_id
from app.core.outbox import Deliverer
from app.webhooks import service
from app.webhooks.adapters.dial import Dialler
from app.webhooks.adapters.resolving import Resolve
from app.webhooks.service.desk import Desk
from app.webhooks.service.sealing import Sealer
from app.webhooks.service.sender import Sender
from app.wiring import WIRING
from tests.fakes import FrozenClock
from tests.webhooks.receivers import Message, Receiver


@dataclass(frozen=True, slots=True)
class Endpoint:
    id: UUID
    shop_id: UUID
    secret: str


async def _no_fault(_host: str) -> str | None:
    return None


def verified(message: Message, secret: str, at: datetime) -> dict[str, Any]:
    """The message, as the integrators' library takes it at this time."""
    with mock.patch("standardwebhooks.webhooks.datetime", wraps=datetime) as clock:
        clock.now = lambda tz=UTC: at.astimezone(tz)
        told: dict[str, Any] = Webhook(secret).verify(message.body, message.headers)
    assert told["id"] == message.id
    return told


@dataclass(slots=True)
class PostOffice:
    database: Database
    clock: FrozenClock
    senders: list[Dialler] = field(default_factory=list)

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.database.settings)

    def desk(self) -> Desk:
        settings, now = self.database.settings, self.clock.now()
        return Desk(settings, self.sealer, _no_fault, contextlib.nullcontext, now)

    async def shop(self, slug: str = "hill") -> UUID:
        wanted = NewShop(slug=slug, name="杨梅山", currency="CNY")
        made = await self.database.transact(
            lambda db: catalog.create_shop(db, wanted, now=self.clock.now())
        )
        return made.id

    async def endpoint(
        self, shop_id: UUID, receiver: Receiver | str, kinds: Sequence[str] = ("*",)
    ) -> Endpoint:
        url = receiver if isinstance(receiver, str) else receiver.url
        wish = service.NewEndpoint(url=url, description="", kinds=kinds, secret=None)
        view, secret = await self.database.transact(
            lambda db: service.create_endpoint(db, shop_id, wish, self.desk())
        )
        return Endpoint(view.row["id"], shop_id, secret)

    async def facts(self, shop_id: UUID, count: int = 1) -> None:
        """So many facts of the shop, fanned out."""

        async def state(db: AsyncSession) -> None:
            for _ in range(count):
                await record(
                    db,
                    MemberJoined(
                        at=self.clock.now(),
                        shop_id=shop_id,
                        aggregate_id=new_id(),
                        member_id=new_id(),
                    ),
                )

        await self.database.transact(state)
        while await Deliverer(self.database, WIRING).run_once():
            pass

    def sender(self, *, seconds: float = 1.0, resolve: Resolve | None = None) -> Sender:
        settings = self.database.settings
        dialler = Dialler(
            seconds=seconds,
            lines_max=settings.webhook_concurrency,
            allow_loopback=settings.webhook_allow_loopback,
            resolve=resolve,
        )
        self.senders.append(dialler)
        return Sender(self.database, dialler, self.sealer, jitter=lambda: 0.0)

    async def close(self) -> None:
        for dialler in self.senders:
            await dialler.close()

    async def rows(self, name: str, order: str = "id") -> list[Mapping[str, Any]]:
        """All rows of a table of webhooks, times aware."""
        from sqlmodel import SQLModel

        found = SQLModel.metadata.tables[name]
        async with self.database.reading() as db:
            result = await db.execute(sa.select(found).order_by(found.c[order]))
            return [dict(row) for row in result.mappings()]

    async def deliveries(self) -> list[Mapping[str, Any]]:
        return await self.rows("webhook_deliveries")

    async def one_endpoint(self, endpoint_id: UUID) -> Mapping[str, Any]:
        rows = await self.rows("webhook_endpoints")
        return next(row for row in rows if row["id"] == endpoint_id)
