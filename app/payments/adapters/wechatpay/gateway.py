"""WeChat Pay behind our protocol: JSAPI payments, refunds, and its signed messages."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from app.payments.adapters.wechatpay import words
from app.payments.adapters.wechatpay.account import Account
from app.payments.adapters.wechatpay.client import Answer, Client
from app.payments.gateway import (
    Charge,
    ChargeState,
    ChargeWish,
    GatewayRefund,
    GatewayUnavailable,
    HookEvent,
    HookNotGenuine,
    NotOurBusinessError,
    RefundState,
    RefundWish,
    Told,
)

log = structlog.get_logger("wechatpay")

T = TypeVar("T")
HOOK_AGE_MAX = timedelta(minutes=5)
CLOSED = words.CLOSED.lower()
PAID = "TRANSACTION.SUCCESS"
NO_SUCH_PAYMENT = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST"})
NO_SUCH_REFUND = frozenset({"RESOURCE_NOT_EXISTS"})
REFUNDED = frozenset({"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"})


class WechatPayGateway:
    """Satisfies `Hooked`. Not `Bookkeeper`: it lists nothing, and its bills come the day after.

    A payment that it never heard of cannot be sealed: it knows no order to close.
    """

    name = "wechatpay"

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = Client(account)
        self.payer_app_id = account.app_id

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Announce the payment; `next_step` is what `wx.requestPayment` wants.

        A repeated wish has the same number there, so it is paid once; where it is paid or closed
        already, the announcement is refused and the question tells.
        """
        if wish.currency != words.CURRENCY:
            return words.asked(wish, ChargeState.DECLINED, now, "currency_not_supported")
        refusal = "payer_unknown"
        if wish.payer is not None:
            answer = await self._client.prepay(wish)
            if answer.ok:
                return self._begun(wish, answer, now)
            refusal = answer.code.lower() or "refused"
        known = await self.find(wish, now=now)
        return known or words.asked(wish, ChargeState.DECLINED, now, refusal)

    def _begun(self, wish: ChargeWish, answer: Answer, now: datetime) -> Charge:
        prepay_id = _read(answer, words.prepay_id)
        step = {
            "appId": self._account.app_id,
            "timeStamp": str(int(now.timestamp())),
            "nonceStr": secrets.token_hex(16),
            "package": f"prepay_id={prepay_id}",
        }
        signature = self._client.signed(*step.values())
        begun = words.asked(wish, ChargeState.PENDING, now)
        return replace(
            begun,
            next_step={"kind": "wechat_jsapi", **step, "signType": "RSA", "paySign": signature},
        )

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """What WeChat Pay knows of a payment."""
        answer = await self._client.query(wish.payment_id.hex)
        if answer.code in NO_SUCH_PAYMENT:
            return None
        return _read(answer, lambda told: words.charge(told, wish, now=now))

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Close the payment; what it became is asked, as it may be paid meanwhile."""
        await self._client.close(wish.payment_id.hex)
        known = await self.find(wish, now=now)
        return known or words.asked(wish, ChargeState.CANCELLED, now)

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back, or say what became of it.

        WeChat wants a failed refund repeated under its own number, and only one that it has
        closed under a new one: an abnormal one may still be paid out by hand, and a second
        number would pay it twice. So tries are counted by what it closed, at most to our round.
        """
        if wish.currency != words.CURRENCY:
            return _failed(wish, now, "currency_not_supported")
        number, known = await self._standing(wish, now)
        return known or await self._send_refund(wish, number, now)

    async def _standing(self, wish: RefundWish, now: datetime) -> tuple[int, GatewayRefund | None]:
        """The number that this round goes under, and what became of it there."""
        number = 1
        if wish.round == 1 and wish.reference is None:
            return number, None
        known = await self._find_refund(wish, number, now)
        while known is not None and known.reason == CLOSED and number < wish.round:
            number += 1
            known = await self._find_refund(wish, number, now)
        return number, known

    async def _find_refund(
        self, wish: RefundWish, number: int, now: datetime
    ) -> GatewayRefund | None:
        answer = await self._client.query_refund(words.refund_number(wish.refund_id, number))
        if answer.code in NO_SUCH_REFUND:
            return None
        return _read(answer, lambda told: _refund_of(told, wish, now))

    async def _send_refund(self, wish: RefundWish, number: int, now: datetime) -> GatewayRefund:
        total = await self._captured_amount(wish, now)
        if total is None:
            return _failed(wish, now, "charge_not_captured")
        out_refund_no = words.refund_number(wish.refund_id, number)
        answer = await self._client.refund(wish, out_refund_no, total)
        if answer.ok:
            return _read(answer, lambda told: _refund_of(told, wish, now))
        # A try whose answer was lost may stand there all the same.
        known = await self._find_refund(wish, number, now)
        return known or _failed(wish, now, answer.code.lower() or "refused")

    async def _captured_amount(self, wish: RefundWish, now: datetime) -> int | None:
        """What was paid in all, in WeChat's own word: each refund has to repeat it."""
        charge = ChargeWish(wish.payment_id, wish.refund_id, wish.amount, wish.currency, "")
        known = await self.find(charge, now=now)
        captured = known is not None and known.state is ChargeState.CAPTURED
        return known.amount if known is not None and captured else None

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> HookEvent:
        """Check age and signature over the raw body, then read what kind of message it is."""
        told = {name.lower(): value for name, value in headers.items()}
        try:
            text = body.decode()
            age = abs(int(now.timestamp()) - int(told.get("wechatpay-timestamp", "")))
        except ValueError:
            raise HookNotGenuine from None
        if age > HOOK_AGE_MAX.total_seconds() or not self._client.is_signed(told, text):
            raise HookNotGenuine
        try:
            message = json.loads(text)
            at = words.moment(message["create_time"])
            return HookEvent(str(message["id"]), str(message["event_type"]), at, text)
        except (ValueError, KeyError, TypeError):
            raise HookNotGenuine from None

    def read(self, event: HookEvent) -> Sequence[Told]:
        """What a message holds: one paid payment, one settled refund, or nothing for us."""
        if event.kind != PAID and event.kind not in REFUNDED:
            return ()
        told = self._opened(event)
        if told.get("mchid") != self._account.mch_id:
            raise NotOurBusinessError
        if event.kind == PAID:
            if told.get("appid") != self._account.app_id:
                raise NotOurBusinessError
            return (words.captured(told),)
        return (words.refund(told, str(told.get("refund_status")), at=event.at),)

    def _opened(self, event: HookEvent) -> Mapping[str, Any]:
        resource = json.loads(event.body).get("resource")
        if not isinstance(resource, dict) or resource.get("algorithm") != "AEAD_AES_256_GCM":
            raise ValueError("not encrypted as agreed")
        text = self._client.decrypted(resource)
        if text is None:
            raise ValueError("not encrypted with our key")
        return words.an_object(json.loads(text))

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


def _read(answer: Answer, reader: Callable[[Mapping[str, Any]], T]) -> T:
    """What an answer says; from one that refuses or cannot be read, nothing is known."""
    try:
        if answer.ok:
            return reader(answer.body)
    except (ValueError, NotOurBusinessError) as error:
        log.warning("wechatpay_answer_unusable", reason=str(error)[:80])
    raise GatewayUnavailable(is_answer=True)


def _refund_of(told: Mapping[str, Any], wish: RefundWish, now: datetime) -> GatewayRefund:
    made = words.refund(told, str(told.get("status")), at=now)
    if made.refund_id != wish.refund_id:
        raise ValueError("an answer about another refund")
    return made


def _failed(wish: RefundWish, now: datetime, reason: str) -> GatewayRefund:
    return GatewayRefund(
        refund_id=wish.refund_id,
        reference="",
        state=RefundState.FAILED,
        at=now,
        reason=reason,
        payment_id=wish.payment_id,
        charge_reference=wish.charge_reference,
    )
