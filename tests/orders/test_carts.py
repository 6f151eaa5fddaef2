"""Preview, quote and order of random carts agree to the fen; `make carts` tries a thousand."""

from typing import Any

from tests.factories import Caller
from tests.orders.carts import SHIPPING_AMOUNT, Carts, Send, open_carts
from tests.orders.market import Market

CARTS = 25
ALL_KINDS = {
    "percent_off",
    "amount_off",
    "buy_n_get_m",
    "bundle",
    "spend_threshold",
    "add_on",
    "gift",
    "free_shipping",
    "shipping_off",
    "solo_price",
}


def by(caller: Caller) -> Send:
    async def send(path: str, body: Any) -> tuple[int, Any]:
        answer = await caller.post(path, body)
        return answer.status_code, answer.json()

    return send


async def opened(market: Market, seed: int) -> tuple[Carts, Send]:
    market.shop_id = (await market.shop("carts", shipping_flat_amount=SHIPPING_AMOUNT)).id
    carts = await open_carts(market, market.shop_id, seed=seed)
    return carts, by(await market.as_owner(market.shop_id))


async def tagged(market: Market, tags: list[str]) -> Send:
    buyer = await market.buyer()
    assert (await buyer.put("/v1/me/tags", {"tags": tags})).status_code == 200
    return by(buyer)


async def test_preview_quote_and_order_agree(market: Market) -> None:
    carts, owner = await opened(market, seed=1)
    for number in range(CARTS):
        cart = carts.cart()
        buyer = await tagged(market, cart.tags)
        assert await cart.differences(owner, buyer) == [], (number, cart)
    assert carts.seen.keys() >= ALL_KINDS


async def test_a_difference_is_seen(market: Market) -> None:
    """A comparison that cannot fail would prove nothing."""
    carts, owner = await opened(market, seed=2)
    cart = carts.cart()

    async def one_fen_dearer() -> None:
        await market.open_shipping(SHIPPING_AMOUNT + 1)

    found = await cart.differences(owner, await tagged(market, cart.tags), between=one_fen_dearer)
    assert {row.partition(":")[0] for row in found} >= {"quote shipping"}, found
