"""Short ways through what comes after the sale: previews, requests, decisions, approvals."""

from typing import Any
from uuid import UUID

import httpx2
import sqlalchemy as sa

from app.catalog.models import Shop
from app.core.sql import table
from tests.factories import Caller
from tests.orders.market import Market

PARCEL = {"carrier": "SF", "tracking_number": "SF12345"}


def units(order: dict[str, Any], quantity: int, position: int = 0) -> dict[str, Any]:
    return {"lines": [{"line_id": order["lines"][position]["id"], "quantity": quantity}]}


def of_shop(market: Market, rest: str) -> str:
    return f"/v1/operator/shops/{market.shop_id}/{rest}"


async def terms(market: Market, **values: Any) -> None:
    """Change the shop behind its operators' backs."""
    shops = table(Shop)
    change = sa.update(shops).where(shops.c.id == market.shop_id).values(**values)
    await market.database.transact(lambda db: db.execute(change))


async def ask(
    buyer: Caller, order: dict[str, Any], wanted: dict[str, Any], **more: Any
) -> httpx2.Response:
    body = {"kind": "refund_only", "reason": "damaged", **wanted, **more}
    return await buyer.post(f"/v1/orders/{order['id']}/after-sales", body)


async def asked(
    buyer: Caller, order: dict[str, Any], wanted: dict[str, Any], **more: Any
) -> dict[str, Any]:
    answer = await ask(buyer, order, wanted, **more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def decide(
    market: Market, operator: Caller, request: dict[str, Any], verb: str, **body: Any
) -> httpx2.Response:
    """An operator's word on a request."""
    path = of_shop(market, f"after-sales/{request['id']}/{verb}")
    return await operator.post(path, {"note": "好", **body})


async def second(
    market: Market, operator: Caller, approval_id: str | UUID, verb: str = "approve"
) -> httpx2.Response:
    path = of_shop(market, f"refund-approvals/{approval_id}/{verb}")
    return await operator.post(path, {"note": "复核"})


async def previewed(
    caller: Caller, order: dict[str, Any], wanted: dict[str, Any], market: Market | None = None
) -> dict[str, Any]:
    """As the buyer sees it, or (with the market) the shop."""
    rest = f"orders/{order['id']}/refund-previews"
    answer = await caller.post(of_shop(market, rest) if market else f"/v1/{rest}", wanted)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def received(market: Market, buyer: Caller, owner: Caller, order: dict[str, Any]) -> None:
    sent = await market.shop_does(owner, order, "ship", PARCEL)
    assert sent.status_code == 200, sent.text
    got = await buyer.post(f"/v1/orders/{order['id']}/receive")
    assert got.status_code == 200, got.text
