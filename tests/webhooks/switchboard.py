"""A market with an owner, and short ways to add endpoints and to read what was put by for them."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.events import MemberJoined, MemberLeft
from app.core.db import Database
from app.core.events import OutboxEvent, record
from app.core.outbox import Deliverer
from app.core.sql import table
from app.webhooks.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFilter,
    WebhookSecret,
)
from app.wiring import WIRING
from tests.conftest import rows_in
from tests.factories import Caller
from tests.orders.market import Market, problem

URL = "https://erp.example.com/hooks"
deliveries, attempts = table(WebhookDelivery), table(WebhookAttempt)
endpoints, filters, secrets = table(WebhookEndpoint), table(WebhookFilter), table(WebhookSecret)
outbox = table(OutboxEvent)


class Switchboard(Market):
    """The market's shop with webhooks."""

    owner: Caller

    @property
    def path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/webhook-endpoints"

    @property
    def log_path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/webhook-deliveries"

    @property
    def events_path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/webhook-events"

    async def endpoint(self, *kinds: str, **more: Any) -> dict[str, Any]:
        """An endpoint of the shop, which wants everything unless told otherwise."""
        answer = await self.owner.post(self.path, {"url": URL, "kinds": kinds or ["*"], **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def delete(self, endpoint_id: str) -> httpx2.Response:
        return await self.client.delete(f"{self.path}/{endpoint_id}", headers=self.owner.headers)

    async def joined(self, *names: str, shop_id: UUID | None = None) -> UUID:
        """A community that so many members have joined, one after the other."""
        return await self.state(*(("joined", name) for name in names), shop_id=shop_id)

    async def state(self, *facts: tuple[str, str], shop_id: UUID | None = None) -> UUID:
        community_id = uuid4()
        kinds = {"joined": MemberJoined, "left": MemberLeft}

        async def work(db: AsyncSession) -> None:
            for kind, _name in facts:
                fact = kinds[kind](
                    at=self.now,
                    shop_id=shop_id or self.shop_id,
                    aggregate_id=community_id,
                    member_id=uuid4(),
                )
                await record(db, fact)

        await self.database.transact(work)
        return community_id

    async def deliver(self) -> int:
        """Let the outbox be delivered until nothing is due."""
        deliverer, claimed = Deliverer(self.database, WIRING), 0
        while batch := await deliverer.run_once():
            claimed += batch
        return claimed

    async def rows(self, of: sa.Table = deliveries) -> list[sa.RowMapping]:
        return await rows_of(self.database, of)

    async def ended(self, state: DeliveryState = DeliveryState.DELIVERED, **more: Any) -> None:
        """As if everything that waits had been sent, or given up."""
        values = {"state": state, "finished_at": self.now, "attempts": 1, **more}
        change = sa.update(deliveries).where(deliveries.c.state == "pending").values(**values)
        await self.database.transact(lambda db: db.execute(change))

    async def untouched(self, asked: Any, status: int, code: str) -> dict[str, Any]:
        """The problem of a refusal that has written nothing but the answer of its key."""
        before = await contents(self.database)
        told = problem(await asked, status, code)
        assert await contents(self.database) == before
        return told


async def rows_of(database: Database, of: sa.Table) -> list[sa.RowMapping]:
    async with database.reading() as db:
        return list((await db.execute(sa.select(of).order_by(*of.primary_key))).mappings())


async def contents(database: Database) -> Any:
    """How many rows there are of everything, and the webhooks' own ones."""
    counted = await rows_in(database)
    counted.pop("idempotency_answers")
    own = [await rows_of(database, of) for of in (endpoints, filters, secrets, deliveries)]
    return counted, own
