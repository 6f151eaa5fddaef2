"""Wrong coupon codes are counted by member, so that nobody finds the right ones by trying."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.core.http.limits import RateLimits
from app.promotions.models import CouponKind
from tests.conftest import make_settings, rows_in
from tests.factories import Caller
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.promotions.giving import batch, coupon_rows, promoted

WRONG_MAX = 4


@pytest.fixture
async def code(market: Market) -> str:
    """A shared code of the shop, where only few wrong ones may be tried."""
    few = make_settings("sqlite://", wrong_codes_per_ten_minutes=WRONG_MAX)
    market.application.state.limits = RateLimits(few)
    promotion_id = await promoted(market, market.shop_id, needs_coupon=True)
    await batch(market, market.shop_id, promotion_id, CouponKind.SHARED_CODE, code="SUMMER")
    return "SUMMER"


def basket(market: Market, *codes: str, **more: Any) -> dict[str, Any]:
    line = {"variant_id": str(market.variant_id), "quantity": 1}
    return {"shop_id": str(market.shop_id), "lines": [line], "codes": codes, **more}


async def ask(market: Market, buyer: Caller, *codes: str, **more: Any) -> httpx2.Response:
    return await buyer.post("/v1/quotes", basket(market, *codes, **more))


async def claim(market: Market, buyer: Caller, code: str) -> httpx2.Response:
    return await buyer.post("/v1/coupons/claims", {"shop_id": str(market.shop_id), "code": code})


def told_to_wait(answer: httpx2.Response) -> None:
    problem(answer, 429, "too_many_requests")
    assert answer.headers["retry-after"] == "600"


async def test_wrong_codes_of_quotes_and_claims_are_counted_together(
    market: Market, code: str
) -> None:
    ann, bob = await market.buyer("ann"), await market.buyer("bob")
    await ask(market, ann, "NEVER1", "NEVER2")
    problem(await claim(market, ann, "NEVER3"), 404, "not_found")
    assert (await ask(market, ann, "NEVER4", code)).json()["coupons"] != []
    before = await rows_in(market.database)
    # The right code too: else the refusal would tell which ones are wrong.
    for codes in (["NEVER5"], [code], ["NEVER6", code]):
        told_to_wait(await ask(market, ann, *codes))
    for one in ("NEVER7", code):
        told_to_wait(await claim(market, ann, one))
    assert await rows_in(market.database) == before
    # Only of her, and only of codes.
    assert (await ask(market, ann)).json()["total_amount"] == SOLO_AMOUNT
    assert (await ask(market, ann, coupon_ids=[str(uuid4())])).status_code == 200
    assert (await ask(market, bob, code)).json()["total_amount"] < SOLO_AMOUNT


async def test_what_was_quoted_can_still_be_placed(market: Market, code: str) -> None:
    ann = await market.buyer("ann")
    wish = await market.quote(ann, codes=[code])
    await ask(market, ann, "NEVER1", "NEVER2", "NEVER3", "NEVER4")
    told_to_wait(await ask(market, ann, code))
    placed = await ann.post("/v1/orders", wish)
    assert placed.status_code == 201, placed.text
    assert placed.json()["total_amount"] < SOLO_AMOUNT


async def test_right_codes_and_quotes_without_codes_are_never_limited(
    market: Market, code: str
) -> None:
    ann = await market.buyer("ann")
    promotion_id = await promoted(market, market.shop_id, needs_coupon=True)
    kind = CouponKind.SINGLE_CODES
    single = await batch(market, market.shop_id, promotion_id, kind, codes_count=1)
    [coupon] = await coupon_rows(market.database, single)
    assert (await claim(market, ann, coupon["code"])).status_code == 201
    for _ in range(WRONG_MAX + 2):
        assert (await ask(market, ann, code)).status_code == 200
        assert (await ask(market, ann)).status_code == 200
        problem(await claim(market, ann, coupon["code"]), 409, "coupons_gone")
        problem(await claim(market, ann, code), 409, "coupon_not_claimable")


async def test_who_has_not_signed_in_learns_nothing_and_is_not_counted(
    market: Market, code: str
) -> None:
    nobody = Caller(market.client, {})
    for _ in range(WRONG_MAX + 2):
        told = (await ask(market, nobody, "NEVER", code)).json()["coupons"]
        assert [row["reason"] for row in told] == ["needs_sign_in"] * 2


async def test_a_refusal_that_tells_right_from_wrong_counts_too(market: Market, code: str) -> None:
    ann = await market.buyer("ann")
    choice = {"promotion_id": str(uuid4()), "variant_id": str(market.variant_id), "quantity": 1}
    before = await rows_in(market.database)
    for _ in range(WRONG_MAX):
        answer = await ask(market, ann, "NEVER", add_ons=[choice])
        problem(answer, 409, "add_on_not_offered")
    told_to_wait(await ask(market, ann, "NEVER", add_ons=[choice]))
    assert await rows_in(market.database) == before


async def test_no_more_wrong_codes_are_answered_at_once_than_one_by_one(
    market: Market, code: str
) -> None:
    ann = await market.buyer("ann")
    before = await rows_in(market.database)
    asked = (ask(market, ann, f"NEVER{n}") for n in range(12))
    told = Counter(answer.status_code for answer in await asyncio.gather(*asked))
    assert told == {200: WRONG_MAX, 429: 12 - WRONG_MAX}
    told_to_wait(await ask(market, ann, code))
    assert await rows_in(market.database) == before


async def test_codes_that_do_not_fit_together_are_not_told(market: Market, code: str) -> None:
    ann = await market.buyer("ann")
    assert (await ask(market, ann, "NEVER1", "NEVER2")).status_code == 200
    told_to_wait(await ask(market, ann, "NEVER3", "NEVER4", "NEVER5"))
    told_to_wait(await ask(market, ann, "NEVER6"))
