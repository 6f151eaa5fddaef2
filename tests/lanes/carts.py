"""`make carts`: what operators are shown, buyers are quoted and orders cost is one price.

Random carts over HTTP on real servers, among live promotions of every kind, some of which run out:
each is previewed by an operator, quoted and placed. SCALE=ci|full, BACKENDS=sqlite,postgresql; at
ci scale it runs on one database.
`--seed-fault one-fen-dearer` changes the shop between a preview and its quote: the lane must fail.
"""

import asyncio
import time
from typing import Any

import sqlalchemy as sa

from app.core.security import PrincipalKind
from tests.lanes.lane import main, one_in_short, verdict
from tests.lanes.report import Report
from tests.lanes.world import Buyer, World, scale, world
from tests.orders.carts import Carts, Send, open_carts

CARTS = {"ci": 60, "full": 1_000}
SEED = 20_260_618
ONE_FEN_DEARER = "one-fen-dearer"
ALL_TIME_SECONDS = 2 * 3_600
SHOWN_MAX = 5


async def run(backend: str, fault: str | None) -> bool:
    """All carts on one database; True when there was no difference."""
    report = Report("carts", backend)
    async with world(backend) as made:
        await made.start()
        carts = await open_carts(made.fair, made.fair.shop_id, seed=SEED)
        await _all(made, carts, report, fault)
        await _pass_time(made)
        # That check knows one simple promotion; here each price was compared by itself.
        await verdict(made, report, None, but=("I10 price recomputed",))
    return not report.failures


async def _all(made: World, carts: Carts, report: Report, fault: str | None) -> None:
    began_at, count = time.monotonic(), CARTS[scale()]
    owner = await _owner(made)
    buyers = await made.buyers(count)
    different = 0
    for number, buyer in enumerate(buyers):
        cart = carts.cart()
        await _tag(buyer, cart.tags)
        dearer = _one_fen_dearer(made) if fault and number == count // 2 else None
        found = await cart.differences(owner, _by(buyer), between=dearer)
        different += bool(found)
        report.expect(not found or different > SHOWN_MAX, f"cart {number}: {found[:2]} {cart}")
    report.same("carts with a difference", different, 0)
    took = f"{time.monotonic() - began_at:.0f} s"
    report.line("carts", f"{count} previewed, quoted, ordered: {different} differ, {took}")
    report.line("applied", ", ".join(f"{k} x{n}" for k, n in sorted(carts.seen.items())))


async def _owner(made: World) -> Send:
    operator_id = await made.fair.operator(made.fair.shop_id)
    headers = await made.fair.token(PrincipalKind.OPERATOR, operator_id)

    async def send(path: str, body: Any) -> tuple[int, Any]:
        answer = await made.net.send("POST", path, verb="preview", headers=headers, body=body)
        return answer.status, answer.body

    return send


async def _tag(buyer: Buyer, tags: list[str]) -> None:
    wish = {"tags": tags}
    told = await buyer.world.net.send(
        "PUT", "/v1/me/tags", verb="tag", headers=buyer.headers, body=wish
    )
    assert told.status == 200, told.raw


def _by(buyer: Buyer) -> Send:
    async def send(path: str, body: Any) -> tuple[int, Any]:
        is_quote = path == "/v1/quotes"
        answer = await (buyer.try_quote(body) if is_quote else buyer.place(body))
        return answer.status, answer.body

    return send


def _one_fen_dearer(made: World) -> Any:
    async def change() -> None:
        dearer = "UPDATE shops SET shipping_flat_amount = shipping_flat_amount + 1"
        async with made.engine.begin() as connection:
            await connection.execute(sa.text(dearer))

    return change


async def _pass_time(made: World) -> None:
    """Nobody pays: every order expires and gives back what it held."""
    await made.stop()
    await made.start(workers=0)
    await made.advance(ALL_TIME_SECONDS)
    await made.stop()
    await made.start()


if __name__ == "__main__":
    asyncio.run(main(run, (ONE_FEN_DEARER,), one_in_short()))
