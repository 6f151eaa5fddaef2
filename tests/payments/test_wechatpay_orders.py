"""Orders paid by WeChat Pay, from the sign-in with WeChat to the money given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.core.jobs import JobContext
from app.identity.adapters.wechat import WechatIdentity
from app.payments.jobs import work_hooks
from app.settings import Settings
from tests.conftest import make_settings, rows_in
from tests.doubles.wechatpay import Fault, Merchant, Message, PlatformKey, WechatPayDouble
from tests.factories import Caller
from tests.fakes import FrozenClock
from tests.orders.market import Market, problem
from tests.payments.wechatpay import logging_everything, settings_of

Keys = tuple[Merchant, PlatformKey, PlatformKey]


class WechatOf:
    """WeChat of one app: the code is the person."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id

    async def exchange(self, code: str) -> WechatIdentity:
        return WechatIdentity(f"o-{code}", None, self._app_id)

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def settings(database_url: str, wechatpay: WechatPayDouble, wechatpay_keys: Keys) -> Settings:
    told = settings_of(wechatpay, wechatpay_keys[1:])
    return make_settings(database_url, access_token_ttl_seconds=86_400, **told)


@pytest.fixture
async def market(
    application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient, wechatpay: WechatPayDouble
) -> AsyncIterator[Market]:
    await application.state.wechat.close()
    application.state.wechat = WechatOf(wechatpay.merchant.app_id)
    yield await Market(application, clock, client).open()
    await application.state.gateways["wechatpay"].close()


async def signed_in(market: Market, code: str = "buyer") -> Caller:
    answer = await market.client.post("/v1/auth/wechat", json={"code": code})
    assert answer.status_code == 200, answer.text
    return Caller(market.client, {"Authorization": f"Bearer {answer.json()['access_token']}"})


PAYING = {"gateway": "wechatpay"}


async def begin(market: Market, buyer: Caller, order: dict[str, Any]) -> dict[str, str]:
    """Begin to pay; what the buyer's WeChat has to do."""
    answer = await buyer.post(f"/v1/orders/{order['id']}/payments", PAYING)
    assert answer.status_code == 201, answer.text
    made = answer.json()["payment"]
    assert (made["state"], made["next_step"]["kind"]) == ("pending", "wechat_jsapi")
    step: dict[str, str] = made["next_step"]
    return step


async def send(market: Market, message: Message, **more: str) -> httpx2.Response:
    """A message as it comes over the wire."""
    headers = {**message.headers, **more}
    return await market.client.post("/v1/hooks/wechatpay", content=message.body, headers=headers)


async def hear(market: Market, message: Message) -> None:
    """A message comes, and is worked on."""
    answer = await send(market, message)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    state = market.application.state
    await work_hooks(JobContext(state.settings, market.database, state.gateways))


async def kept(market: Market) -> list[tuple[str, str, str | None]]:
    """What became of the messages, the oldest first."""
    query = sa.text("SELECT kind, state, error FROM hook_events ORDER BY id")
    async with market.database.reading() as db:
        return [(row[0], row[1], row[2]) for row in await db.execute(query)]


async def test_an_order_is_paid_by_the_message(market: Market, wechatpay: WechatPayDouble) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    step = await begin(market, buyer, order)
    sent = wechatpay.books.orders
    [wish] = [kept["wish"] for kept in sent.values()]
    assert (wish["payer"], wish["attach"]) == ({"openid": "o-buyer"}, order["id"])
    assert wish["amount"] == {"total": order["total_amount"], "currency": "CNY"}
    message = wechatpay.pay(step)
    for _ in range(2):
        await hear(market, message)
    now = await market.order(buyer, order)
    assert (now["status"], [p["state"] for p in now["payments"]]) == ("paid", ["captured"])
    # The same message twice is one.
    assert await kept(market) == [("TRANSACTION.SUCCESS", "done", None)]
    await market.balanced()


async def test_a_message_that_is_not_theirs_leaves_nothing(
    market: Market, wechatpay: WechatPayDouble
) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    message = wechatpay.pay(await begin(market, buyer, order))
    before = await rows_in(market.database)
    late = str(int(market.now.timestamp()) - 301)
    for header, value in (
        ("Wechatpay-Signature", "WECHATPAY/SIGNTEST/0000"),
        ("Wechatpay-Serial", "unknown"),
        ("Wechatpay-Timestamp", late),
        ("Wechatpay-Nonce", "another"),
    ):
        problem(await send(market, message, **{header: value}), 400, "hook_not_genuine")
    changed = replace(message, body=message.body.replace(b"}", b" }", 1))
    problem(await send(market, changed), 400, "hook_not_genuine")
    assert await rows_in(market.database) == before


async def test_an_order_is_paid_without_any_message(
    market: Market, wechatpay: WechatPayDouble, clock: FrozenClock
) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    wechatpay.pay(await begin(market, buyer, order))
    clock.advance(seconds=30)
    await market.work()
    assert (await market.order(buyer, order))["status"] == "paid"


async def test_an_answer_that_was_lost_is_begun_again_as_one(
    market: Market, wechatpay: WechatPayDouble
) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    wechatpay.faults.append(Fault.CUT)
    path = f"/v1/orders/{order['id']}/payments"
    problem(await buyer.post(path, PAYING), 503, "gateway_unavailable")
    await begin(market, buyer, order)
    assert len(wechatpay.books.orders) == 1


async def test_one_fen_short_is_not_paid(market: Market, wechatpay: WechatPayDouble) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    step = await begin(market, buyer, order)
    await hear(market, wechatpay.pay(step, short=1))
    now = await market.order(buyer, order)
    assert (now["status"], now["payments"][0]["reason"]) == ("placed", "amount_mismatch")


async def test_an_order_given_up_is_closed_there_too(
    market: Market, wechatpay: WechatPayDouble
) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    await begin(market, buyer, order)
    answer = await buyer.post(f"/v1/orders/{order['id']}/cancel", {})
    assert answer.json()["status"] == "cancelled"
    assert [e["kind"] for e in wechatpay.books.truth()] == ["announced", "closed"]


async def test_money_goes_back_once(
    market: Market, wechatpay: WechatPayDouble, clock: FrozenClock
) -> None:
    buyer = await signed_in(market)
    order = await market.place(buyer)
    step = await begin(market, buyer, order)
    await hear(market, wechatpay.pay(step))
    await market.work()
    operator = await market.as_operator(await market.operator(market.shop_id))
    await market.refund(operator, order)
    for fault in (Fault.CUT, Fault.BROKEN_AFTER, None):
        wechatpay.faults.extend([None, fault])
        clock.advance(hours=1)
        await market.work()
    [number] = wechatpay.books.refunds
    await hear(market, wechatpay.settle(number, "SUCCESS"))
    now = await market.order(buyer, order)
    assert (now["refund"], [r["state"] for r in now["refunds"]]) == ("full", ["succeeded"])
    total = order["total_amount"]
    assert wechatpay.books.money() == [("paid", total), ("refunded", total)]


async def test_a_refund_to_a_card_that_is_gone_waits_for_a_person_and_succeeds(
    market: Market, wechatpay: WechatPayDouble, clock: FrozenClock
) -> None:
    """Had it failed here, the success that follows by the same name would count for nothing."""
    buyer = await signed_in(market)
    order = await market.place(buyer)
    await hear(market, wechatpay.pay(await begin(market, buyer, order)))
    operator = await market.as_operator(await market.operator(market.shop_id))
    await market.refund(operator, order)
    await market.work()
    [number] = wechatpay.books.refunds
    await hear(market, wechatpay.settle(number, "ABNORMAL"))
    for hours in (0, 1, 1):
        clock.advance(hours=hours)
        await market.work()
        [waiting] = (await market.order(buyer, order))["refunds"]
        assert waiting["state"] == "pending"
    async with market.database.reading() as db:
        said = await db.execute(sa.text("SELECT last_error, round FROM refunds"))
        assert [tuple(row) for row in said] == [("abnormal", 1)]
    await hear(market, wechatpay.settle(number, "SUCCESS"))
    now = await market.order(buyer, order)
    assert (now["refund"], [r["state"] for r in now["refunds"]]) == ("full", ["succeeded"])
    assert len(wechatpay.books.refunds) == 1
    assert [state for _, state, _ in await kept(market)] == ["done"] * 3
    await market.balanced()


async def test_a_member_without_wechat_is_told_so_and_nothing_is_written(
    market: Market, wechatpay: WechatPayDouble
) -> None:
    """Somebody known to another app has no name in this one."""
    buyer = await market.buyer("o-elsewhere")
    order = await market.place(buyer)
    before = await rows_in(market.database)
    answer = await buyer.post(f"/v1/orders/{order['id']}/payments", PAYING)
    problem(answer, 409, "payer_unknown")
    assert await rows_in(market.database) == before
    assert wechatpay.requests == []


async def test_no_secret_and_no_payer_is_logged(market: Market, wechatpay: WechatPayDouble) -> None:
    wechatpay.books.openids.add("o-canary")
    with logging_everything("info") as written:
        buyer = await signed_in(market, "canary")
        order = await market.place(buyer)
        await begin(market, buyer, order)
        wechatpay.faults.append(Fault.UNSIGNED)
        market.clock.at += timedelta(seconds=30)
        await market.work()
        wechatpay.books.openids.clear()
        again = await market.place(buyer)
        answer = await buyer.post(f"/v1/orders/{again['id']}/payments", PAYING)
        assert answer.json()["payment"]["state"] == "declined"
    said = written.getvalue()
    assert "wechatpay_refused" in said
    assert "wechatpay_unreachable" in said
    merchant = wechatpay.merchant
    for secret in ("o-canary", merchant.api_v3_key, merchant.private_pem[40:80], "WECHATPAY2-"):
        assert secret not in said
