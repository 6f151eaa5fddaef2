"""The sandbox as a provider that sends signed messages: HMAC over the time and the raw bytes."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from app.audit import service as audit
from app.core.jobs import JobContext
from app.payments import repository
from app.payments.gateway import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    GatewayRefund,
    HookEvent,
    HookNotGenuine,
    NotOurBusinessError,
    RefundState,
    RefundWish,
    Told,
)
from app.payments.jobs import work_hooks
from tests.orders.market import Market
from tests.payments.provider import Provider

SECRET, TOLERANCE = b"whsec-of-the-tests", timedelta(seconds=300)
WORDS: Mapping[str, Any] = {
    "charge": (Charge, ChargeState),
    "refund": (GatewayRefund, RefundState),
    "dispute": (Dispute, DisputeState),
}


def sign(body: bytes, at: datetime, secret: bytes = SECRET) -> dict[str, str]:
    told = str(int(at.timestamp()))
    mac = hmac.new(secret, told.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"signature-time": told, "signature": mac}


def message(*tells: Mapping[str, Any], event_id: str = "", **more: Any) -> bytes:
    told = {"id": event_id or f"evt_{uuid4().hex}", "kind": "told", "live": False, **more}
    return json.dumps({**told, "tells": tells}, default=str, separators=(",", ":")).encode()


# Hold refunds against the sandbox's own books, which have none of these.
OF_THE_SANDBOX = frozenset({"refunds_true", "books_heard", "clearing_follows_books"})


class Signed(Provider):
    """`refunds` is what it answers to each (refund, round), else success; `asked` what it got."""

    refunds: dict[tuple[UUID, int], RefundState]
    asked: list[RefundWish]

    @staticmethod
    def set_up(market: Market) -> "Signed":
        state = market.application.state
        made = Signed(market.database, delay_seconds=state.settings.sandbox_delay_seconds)
        made.before, made.after, made.calls, made.telling = {}, {}, [], {}
        made.away = made.refusing_refunds = made.stops_nothing = False
        made.refunds, made.asked = {}, []
        state.gateways = {made.name: made}
        return made

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> HookEvent:
        try:
            at = datetime.fromtimestamp(int(headers["signature-time"]), tz=now.tzinfo)
            signature = headers["signature"]
        except (KeyError, ValueError) as error:
            raise HookNotGenuine from error
        right = sign(body, at)["signature"]
        if abs(now - at) > TOLERANCE or not hmac.compare_digest(right, signature):
            raise HookNotGenuine
        read = json.loads(body)
        return HookEvent(read["id"], read["kind"], at, body.decode())

    def read(self, event: HookEvent) -> Sequence[Told]:
        read = json.loads(event.body)
        if read["live"]:
            raise NotOurBusinessError("a live message in test mode")
        return [_word(event.at, **told) for told in read["tells"]]

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        self.asked.append(wish)
        state = self.refunds.get((wish.refund_id, wish.round), RefundState.SUCCEEDED)
        return GatewayRefund(wish.refund_id, f"re_{wish.refund_id}_{wish.round}", state, now)


def _word(at: datetime, *, type: str, **told: Any) -> Told:  # noqa: A002
    word, states = WORDS[type]
    ids = {k: UUID(v) for k, v in told.items() if k in {"payment_id", "refund_id"} and v}
    made: Told = word(**{**told, **ids, "state": states(told["state"]), "at": at})
    return made


class Desk:
    """A market whose provider sends messages, with short words for them."""

    def __init__(self, market: Market) -> None:
        self.market, self.provider = market, Signed.set_up(market)

    async def paid(self, token: str = "sandbox_success") -> tuple[Any, dict[str, Any], Any]:  # noqa: S107
        """A buyer, an order and its payment's row."""
        buyer = await self.market.buyer()
        order = await self.market.place(buyer)
        await self.market.pay(buyer, order, token)
        return buyer, order, await self.payment(order)

    async def payment(self, order: Mapping[str, Any]) -> Any:
        async with self.market.database.reading() as db:
            return (await repository.payments_of_order(db, UUID(order["id"])))[-1]

    async def send(self, body: bytes, headers: Any = None, name: str = "sandbox") -> Any:
        path, signed = f"/v1/hooks/{name}", sign(body, self.market.now)
        return await self.market.client.post(
            path, content=body, headers=signed if headers is None else headers
        )

    async def tell(self, *tells: Mapping[str, Any], **more: Any) -> httpx2.Response:
        answer: httpx2.Response = await self.send(message(*tells, **more))
        assert answer.status_code == 200, answer.text
        return answer

    def context(self) -> JobContext:
        state = self.market.application.state
        return JobContext(state.settings, self.market.database, state.gateways)

    async def work(self) -> int:
        return await work_hooks(self.context())

    async def broken(self) -> list[str]:
        """Invariants that do not hold; refunds are not in the sandbox's own books here."""
        async with self.market.database.reading() as db:
            found = await audit.invariants(db, None, now=self.market.now, grace_seconds=60)
        return [f.name for f in found if f.count and f.name not in OF_THE_SANDBOX]


def charge(row: Any, state: str = "captured", **more: Any) -> dict[str, Any]:
    told = {"type": "charge", "payment_id": row["id"], "state": state}
    told |= {"reference": f"sandbox-{row['id'].hex}", "amount": row["amount"]}
    return {**told, "currency": row["currency"], **more}


def refund(row: Any, amount: int, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """One that was made at the provider by hand."""
    told = {"type": "refund", "refund_id": None, "payment_id": row["id"], "state": state}
    return {**told, "reference": "re_hand", "amount": amount, "currency": "CNY", **more}


def dispute(row: Any, state: str = "open", **more: Any) -> dict[str, Any]:
    told = {"type": "dispute", "reference": "dp_1", "payment_id": row["id"], "state": state}
    told |= {"charge_reference": f"sandbox-{row['id'].hex}", "amount": row["amount"]}
    return {**told, "currency": row["currency"], "fee_amount": 1_500, **more}
