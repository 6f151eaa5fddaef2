"""A market for tests of the line of sale: a shop with one product, a campaign, and buyers."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Shop
from app.core.ids import new_id
from app.core.sql import table
from app.groupbuy.models import Campaign, CampaignPrice, CampaignStatus
from app.promotions import service as promotions
from app.promotions.rules import PromotionWish
from app.wiring import JOBS
from app.worker import Worker
from tests.factories import Caller, Stand
from tests.orders.books import books_balance, state_of
from tests.recorded import once

TIDY_AFTER_SECONDS = 300
# What moves an order on; whatever tidies up or counts has tests of its own.
MOVING_JOBS = tuple(
    job
    for job in JOBS
    if job.name.startswith(("orders.", "groupbuy.", "payments."))
    and job.every_seconds < TIDY_AFTER_SECONDS
)
LIST_AMOUNT, SOLO_AMOUNT, GROUP_AMOUNT = 19_900, 15_900, 9_900
ADDRESS = {
    "recipient": "林小禾",
    "phone": "+8613800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
}


def _rule(off_bp: int) -> dict[str, Any]:
    return {"kind": "percent_off", "off_bp": off_bp}


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The document of a refusal, which must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["code"], document["status"]) == (code, status), document
    return document


class Market(Stand):
    """A stand with a shop that is open, a variant in stock and a running campaign."""

    shop_id: UUID
    variant_id: UUID
    product_id: UUID
    campaign_id: UUID

    async def open(self) -> "Market":
        """The market as it always is, in an empty database."""
        vars(self).update(await once(self.database, "market", self.now, self._build))
        return self

    async def _build(self) -> dict[str, Any]:
        before = set(vars(self))
        self.shop_id = (await self.shop("market")).id
        variant = await self.goods(
            self.shop_id, units=100, list_amount=LIST_AMOUNT, solo_amount=SOLO_AMOUNT
        )
        self.variant_id, self.product_id = variant.id, variant.product_id
        self.campaign_id = await self.campaign(size=3)
        return {name: value for name, value in vars(self).items() if name not in before}

    async def campaign(
        self,
        *,
        size: int,
        group_amount: int = GROUP_AMOUNT,
        leader_amount: int | None = None,
        tiers: Sequence[tuple[int, int]] = (),
        **more: Any,
    ) -> UUID:
        """A campaign that runs; `tiers` are the sizes and prices above the first."""
        values = {
            "id": new_id(),
            "shop_id": self.shop_id,
            "product_id": self.product_id,
            "name": "三人团",
            "status": CampaignStatus.SCHEDULED,
            "size": size,
            "group_seconds": 3_600,
            "starts_at": self.now - timedelta(days=1),
            "ends_at": self.now + timedelta(days=7),
            "created_at": self.now,
            "ladder": [
                {"size": larger, "amounts": {str(self.variant_id): amount}}
                for larger, amount in tiers
            ],
            **more,
        }
        made = Campaign(**values)
        price = CampaignPrice(
            campaign_id=made.id,
            variant_id=self.variant_id,
            group_amount=group_amount,
            leader_amount=leader_amount,
        )

        async def add(db: AsyncSession) -> None:
            await db.execute(sa.insert(table(Campaign)).values(made.model_dump()))
            await db.execute(sa.insert(table(CampaignPrice)).values(price.model_dump()))

        campaign_id = made.id
        await self.database.transact(add)
        return campaign_id

    async def buyer(self, name: str = "") -> Caller:
        return await self.as_member(await self.member(name))

    async def quote(self, buyer: Caller, **more: Any) -> dict[str, Any]:
        """The basket and the quote id, ready to be placed."""
        basket = {
            "shop_id": str(self.shop_id),
            "lines": [{"variant_id": str(self.variant_id), "quantity": more.pop("quantity", 1)}],
            **more,
        }
        answer = await buyer.post("/v1/quotes", basket)
        assert answer.status_code == 200, answer.text
        return {**basket, "quote_id": answer.json()["quote_id"], "address": ADDRESS}

    async def place(self, buyer: Caller, **more: Any) -> dict[str, Any]:
        answer = await buyer.post("/v1/orders", await self.quote(buyer, **more))
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    async def open_group(self, buyer: Caller, **more: Any) -> dict[str, Any]:
        return await self.place(buyer, group={"open": str(self.campaign_id)}, **more)

    async def join(self, buyer: Caller, group_id: str, **more: Any) -> dict[str, Any]:
        return await self.place(buyer, group={"join": group_id}, **more)

    async def pay(
        self,
        buyer: Caller,
        order: dict[str, Any],
        token: str = "sandbox_success",  # noqa: S107
    ) -> dict[str, Any]:
        answer = await buyer.post(f"/v1/orders/{order['id']}/payments", {"token": token})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def order(self, buyer: Caller, order: dict[str, Any]) -> dict[str, Any]:
        answer = await buyer.get(f"/v1/orders/{order['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def percent_off(self, off_bp: int, **more: Any) -> UUID:
        """A live promotion of the shop."""
        wish = PromotionWish(
            name_zh="打折", name_en="off", **{"rule": _rule(off_bp), "match": {}, **more}
        )

        async def make(db: AsyncSession) -> UUID:
            made = await promotions.create(db, self.shop_id, wish, now=self.now)
            await promotions.activate(db, self.shop_id, made["id"], now=self.now)
            promotion_id: UUID = made["id"]
            return promotion_id

        return await self.database.transact(make)

    async def percent_off_all_the_way(self) -> None:
        """Everything for nothing; a shop without free orders allows it for named goods only."""
        await self.percent_off(10_000, match={"product_ids": [str(self.product_id)]})

    async def refused(self, asked: Awaitable[httpx2.Response], status: int, code: str) -> Any:
        """The problem of a refusal that has changed nothing."""
        before = await state_of(self.database)
        answer = await asked
        assert await state_of(self.database) == before
        return problem(answer, status, code)

    async def shop_does(
        self, operator: Caller, order: dict[str, Any], verb: str, body: dict[str, Any]
    ) -> httpx2.Response:
        """An operator's POST about an order."""
        path = f"/v1/operator/shops/{self.shop_id}/orders/{order['id']}/{verb}"
        return await operator.post(path, body)

    async def balanced(self, *, settled: bool = True) -> None:
        await books_balance(self.database, settled=settled)

    async def refund(
        self, operator: Caller, order: dict[str, Any], reference: str = "R-1", **more: Any
    ) -> dict[str, Any]:
        body = {"reason": "damaged", "reference": reference, **more}
        answer = await self.shop_does(operator, order, "refunds", body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def work(self) -> None:
        """Everything the worker would do by now; the books are checked by `balanced` instead."""
        state = self.application.state
        await Worker(state.settings, self.database, state.gateways, MOVING_JOBS).run_once()

    async def levels(self) -> tuple[int, int, int]:
        """On hand, reserved, sold of the variant."""
        return await self.stock(self.shop_id, self.variant_id)

    async def open_shipping(self, amount: int) -> None:
        """From now on every order of the shop carries this shipping."""
        await self._change_shop(shipping_flat_amount=amount)

    async def allow_free_orders(self) -> None:
        await self._change_shop(allow_free_orders=True)

    async def _change_shop(self, **values: Any) -> None:
        shops = table(Shop)
        change = sa.update(shops).where(shops.c.id == self.shop_id).values(**values)
        await self.database.transact(lambda db: db.execute(change))
