"""What promotions ask of the moment and the buyer reaches the quote, by no more statements."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import PromotionPolicy, ShopStatus
from app.catalog.rules import ShopTerms
from app.community import service as community
from app.community.rules import NewCommunity
from app.promotions import service as promotions
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.terms import Terms
from tests.factories import Caller, statements
from tests.orders.market import SOLO_AMOUNT, Market

NOON = {"weekdays": [4], "from_minute": 12 * 60, "to_minute": 12 * 60 + 1}


async def ask(market: Market, buyer: Caller) -> dict[str, Any]:
    line = {"variant_id": str(market.variant_id), "quantity": 1}
    answer = await buyer.post("/v1/quotes", {"shop_id": str(market.shop_id), "lines": [line]})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def why_not(told: dict[str, Any]) -> str:
    [row] = told["not_applied"]
    code: str = row["code"]
    return code


async def test_hours_are_those_of_the_shops_clock(market: Market) -> None:
    """Thursday noon in Shanghai is four in the morning in UTC."""
    assert market.now.isoformat() == "2026-06-18T04:00:00+00:00"
    await market.percent_off(1_000, conditions={"hours": [NOON]})
    buyer = await market.buyer()
    assert (await ask(market, buyer))["goods_discount_amount"] > 0
    market.clock.advance(seconds=60)
    assert why_not(await ask(market, buyer)) == "outside_hours"

    async def move(db: AsyncSession) -> None:
        there = {"time_zone": "Asia/Tokyo"}
        await catalog.edit_shop(db, market.shop_id, there, version=1, now=market.now)

    await market.database.transact(move)
    market.clock.advance(minutes=-61)
    buyer = await market.buyer()
    assert (await ask(market, buyer))["total_amount"] == SOLO_AMOUNT - SOLO_AMOUNT // 10


async def test_audiences_and_roles_are_the_buyers_own(market: Market) -> None:
    member, other = await market.member(), await market.member()

    async def gather(db: AsyncSession) -> UUID:
        made = await community.create_community(
            db, market.shop_id, NewCommunity("群"), now=market.now
        )
        await community.join(db, member, made.id, now=market.now)
        named = await community.create_audience(db, market.shop_id, "常客", now=market.now)
        await community.add_to_audience(db, market.shop_id, named.id, [member], now=market.now)
        return named.id

    audience_id = await market.database.transact(gather)
    asked = {"audience_ids": [str(audience_id)], "roles": ["member"]}
    await market.percent_off(1_000, conditions=asked)
    inside, outside = await market.as_member(member), await market.as_member(other)
    assert (await ask(market, inside))["goods_discount_amount"] > 0
    assert why_not(await ask(market, outside)) == "role_missing"
    with statements(market.database) as seen:
        await ask(market, inside)
    assert len([s for s in seen if "paid_orders" in s]) == 1


@pytest.mark.parametrize("policy", PromotionPolicy)
def test_terms_of_a_shop_are_what_the_engine_takes(policy: PromotionPolicy) -> None:
    shop = ShopTerms(
        id=UUID(int=1),
        currency="CNY",
        status=ShopStatus.OPEN,
        time_zone="Asia/Shanghai",
        shipping_flat_amount=0,
        allow_free_orders=False,
        promotion_policy=policy,
        discount_cap_bp=4_000,
        promotion_denials=[{"one": {"kind": "coupon"}, "other": {"stacking_group": "season"}}],
    )
    terms = promotions.terms_of(shop)
    assert terms == Terms(
        time_zone=terms.time_zone,
        policy=policy.value,
        discount_cap_bp=4_000,
        denials=(Denial(Party(kind="coupon"), Party(stacking_group="season")),),
    )
    assert str(terms.time_zone) == "Asia/Shanghai"
