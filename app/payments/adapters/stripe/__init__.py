"""Stripe: PaymentIntents with cards, Alipay and WeChat Pay, by the official SDK.

The buyer's device confirms with the client secret; we learn of it by a signed message or by
asking, whichever comes first. All idempotency keys are made of our row ids.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import stripe

from app.payments.adapters.stripe import hooks
from app.payments.adapters.stripe.calls import (
    RefusedError,
    SpoiltKeyError,
    StripeAccount,
    asked,
    client_of,
    log,
    pages,
)
from app.payments.adapters.stripe.told import (
    EPOCH,
    charge_told,
    dispute_told,
    our_id,
    refund_told,
)
from app.payments.gateway import (
    Charge,
    ChargeState,
    ChargeWish,
    GatewayRefund,
    GatewayUnavailable,
    HookEvent,
    NotOurBusinessError,
    RefundState,
    RefundWish,
    Told,
)

__all__ = ["StripeAccount", "StripeGateway"]

KEYS_MAX = 3
PAGE_ROWS = 100
# Stripe keeps keys for a day at least; beyond this a refund is looked for before it is made.
KEYS_TRUSTED_FOR = timedelta(hours=12)
# Of these Stripe counts other units than ISO 4217 does, or only every tenth one.
NOT_COUNTED_ALIKE = frozenset(
    {"ISK", "UGX", "MGA", "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
)
# Where each method can be offered; a card everywhere.
_ASIAN_WALLETS = frozenset({"CNY", "AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD"})
CURRENCIES: Mapping[str, frozenset[str]] = {
    "alipay": _ASIAN_WALLETS | {"MYR", "NZD"},
    "wechat_pay": _ASIAN_WALLETS | {"CHF", "DKK", "NOK", "SEK"},
}


class StripeGateway:
    """Satisfies `Hooked`, `Bookkeeper` and `KeepsOpen`; the reference is the PaymentIntent's id.

    An answer about another mode or another payment than was asked for is never taken over: it is
    logged as an error and counts as none. One of another amount or currency is handed on as
    Stripe tells it, for the caller to doubt.
    """

    name = "stripe"

    def __init__(self, account: StripeAccount, *, timeout_seconds: float, http: Any = None) -> None:
        self._account = account
        self._live = account.is_live
        self._http: Any = http or stripe.HTTPXClient(timeout=timeout_seconds)
        self._v1: Any = client_of(account, self._http).v1

    async def charge(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Open a PaymentIntent, or read the one that was; `next_step` is for Stripe.js.

        A declined card is not the end of it, so such a payment stays pending with its reason.
        What Stripe refuses to open at all is declined.
        """
        try:
            intent = await self._intent(wish)
        except RefusedError as refused:
            return _not_opened(wish, refused.code, now)
        told = self._understood(wish, intent)
        as_asked = (told.amount, told.currency) == (wish.amount, wish.currency)
        if told.state is not ChargeState.PENDING or not as_asked:
            return told
        step = {
            "kind": "stripe",
            "client_secret": intent["client_secret"],
            "publishable_key": self._account.publishable_key,
        }
        return replace(told, next_step=step)

    async def find(self, wish: ChargeWish, *, now: datetime) -> Charge | None:
        """What became of a payment.

        One whose reference we never learnt is opened again under its key, which completes what a
        crash has cut off: Stripe answers with the intent it has, or makes one that nobody can pay
        before its secret is told.
        """
        return replace(await self.charge(wish, now=now), next_step=None)

    async def cancel(self, wish: ChargeWish, *, now: datetime) -> Charge:
        """Stop a payment; what cannot be stopped any more is told as it then stands."""
        try:
            reference = wish.reference or (await self._intent(wish))["id"]
        except RefusedError as refused:
            return _not_opened(wish, refused.code, now)
        # Stopping twice stops once. A key that stayed the same would repeat an old refusal.
        key = f"{wish.payment_id}:cancel:{int(now.timestamp())}"
        try:
            call = self._v1.payment_intents.cancel_async(
                reference, {"cancellation_reason": "abandoned"}, {"idempotency_key": key}
            )
            intent = await asked(call)
        except (RefusedError, SpoiltKeyError):
            intent = await self._retrieved(reference)
        return self._understood(wish, intent)

    async def refund(self, wish: RefundWish, *, now: datetime) -> GatewayRefund:
        """Give money back, or say what became of it."""
        try:
            refund = await self._refund(wish, now)
        except RefusedError as refused:
            return GatewayRefund(
                wish.refund_id,
                wish.reference or "",
                RefundState.FAILED,
                now,
                refused.code,
                payment_id=wish.payment_id,
                charge_reference=wish.charge_reference,
            )
        try:
            told = refund_told(refund, at=now)
        except (KeyError, TypeError, ValueError) as error:
            raise _nonsense(wish.refund_id, error) from error
        if told.refund_id != wish.refund_id:
            raise _nonsense(wish.refund_id, ValueError("another refund"))
        return told

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> HookEvent:
        """Check the signature over the raw body with each secret that holds now."""
        return hooks.verified(body, headers, self._account.webhook_secrets, now=now)

    def read(self, event: HookEvent) -> Sequence[Told]:
        """What a kept message says about payments, refunds and disputes."""
        return hooks.read(event, live=self._live)

    async def statement(self, since: datetime) -> AsyncIterator[Told]:
        """Every payment of ours, refund and dispute made since then, as each stands now."""
        wish = {"created": {"gte": int(since.timestamp())}, "limit": PAGE_ROWS}
        whole = {**wish, "expand": ["data.latest_charge.balance_transaction"]}
        lists: tuple[tuple[Any, dict[str, Any], Callable[[dict[str, Any]], Told | None]], ...] = (
            (self._v1.payment_intents, whole, lambda one: charge_told(one, live=self._live)),
            (self._v1.refunds, wish, _refund_of_an_intent),
            (self._v1.disputes, wish, lambda one: dispute_told(one, live=self._live)),
        )
        for things, params, reader in lists:
            async for thing in pages(things.list_async(params)):
                told = _legible(thing, reader)
                if told is not None:
                    yield told

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()

    async def _intent(self, wish: ChargeWish) -> dict[str, Any]:
        if wish.reference:
            return await self._retrieved(wish.reference)
        params = self._params(wish)
        for number in range(1, KEYS_MAX + 1):
            # An intent under a spoilt key is lost on us, but no buyer ever saw its secret.
            key = str(wish.payment_id) if number == 1 else f"{wish.payment_id}:{number}"
            call = self._v1.payment_intents.create_async(params, {"idempotency_key": key})
            try:
                return await asked(call)
            except SpoiltKeyError:
                continue
        raise GatewayUnavailable

    def _params(self, wish: ChargeWish) -> dict[str, Any]:
        methods = [
            method
            for method in self._account.methods
            if wish.currency in CURRENCIES.get(method, {wish.currency})
        ]
        if not methods or wish.currency in NOT_COUNTED_ALIKE:
            raise RefusedError("no_method_for_currency")
        params: dict[str, Any] = {
            "amount": wish.amount,
            "currency": wish.currency.lower(),
            "payment_method_types": methods,
            "metadata": {"payment_id": str(wish.payment_id), "order_id": str(wish.order_id)},
            "expand": ["latest_charge.balance_transaction"],
        }
        if "wechat_pay" in methods:
            params["payment_method_options"] = {"wechat_pay": {"client": "web"}}
        return params

    async def _retrieved(self, reference: str) -> dict[str, Any]:
        """An intent that we know to exist; not to find it means to ask with a wrong key."""
        params = {"expand": ["latest_charge.balance_transaction"]}
        try:
            return await asked(self._v1.payment_intents.retrieve_async(reference, params))
        except RefusedError as refused:
            raise _not_known_there(reference, refused) from refused

    def _understood(self, wish: ChargeWish, intent: Mapping[str, Any]) -> Charge:
        try:
            told = charge_told(intent, live=self._live)
        except (KeyError, TypeError, ValueError, NotOurBusinessError) as error:
            raise _nonsense(wish.payment_id, error) from error
        order_id = our_id(intent, "order_id")
        if (told.payment_id, order_id) != (wish.payment_id, wish.order_id):
            raise _nonsense(wish.payment_id, ValueError("another payment"))
        return told

    async def _refund(self, wish: RefundWish, now: datetime) -> dict[str, Any]:
        if wish.reference:
            return await self._known_refund(wish.reference)
        if now - _made_at(wish.refund_id) > KEYS_TRUSTED_FOR:
            known = await self._found_refund(wish)
            if known is not None:
                return known
        key = f"{wish.refund_id}:{wish.round}"
        metadata = {
            "refund_id": str(wish.refund_id),
            "payment_id": str(wish.payment_id),
            "round": str(wish.round),
        }
        params = {
            "payment_intent": wish.charge_reference,
            "amount": wish.amount,
            "metadata": metadata,
        }
        try:
            return await asked(self._v1.refunds.create_async(params, {"idempotency_key": key}))
        except RefusedError as refused:
            # A payment that was captured is there. To say that this try has failed would begin a
            # round with a key of its own, while the answer to this one may only have been lost.
            if refused.code == "resource_missing":
                raise _not_known_there(wish.charge_reference, refused) from refused
            raise
        except SpoiltKeyError as spoilt:
            # Another key could pay back twice. The money is there, or the key is forgotten in time.
            known = await self._found_refund(wish)
            if known is None:
                raise GatewayUnavailable from spoilt
            return known

    async def _known_refund(self, reference: str) -> dict[str, Any]:
        """A refund that Stripe has told us of: whatever it refuses now, it has not failed."""
        try:
            return await asked(self._v1.refunds.retrieve_async(reference))
        except RefusedError as refused:
            raise _not_known_there(reference, refused) from refused

    async def _found_refund(self, wish: RefundWish) -> dict[str, Any] | None:
        params = {"payment_intent": wish.charge_reference, "limit": PAGE_ROWS}
        async for refund in pages(self._v1.refunds.list_async(params)):
            is_ours = our_id(refund, "refund_id") == wish.refund_id
            if is_ours and refund["metadata"].get("round") == str(wish.round):
                return refund
        return None


def _refund_of_an_intent(refund: Mapping[str, Any]) -> GatewayRefund | None:
    return refund_told(refund) if refund.get("payment_intent") else None


def _legible(thing: dict[str, Any], reader: Callable[[dict[str, Any]], Told | None]) -> Told | None:
    """What stands in Stripe's books; one that cannot be read must not hide all others."""
    try:
        return reader(thing)
    except NotOurBusinessError:
        return None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        log.error("stripe_books_not_understood", of=thing["id"], why=type(error).__name__)
        return None


def _not_opened(wish: ChargeWish, code: str, now: datetime) -> Charge:
    return Charge(
        payment_id=wish.payment_id,
        reference=wish.reference or "",
        state=ChargeState.DECLINED,
        amount=wish.amount,
        currency=wish.currency,
        at=now,
        reason=code,
    )


def _not_known_there(reference: str, refused: RefusedError) -> GatewayUnavailable:
    """What we have by Stripe's own word is there: we ask with another account's key, or mode's."""
    log.error("stripe_does_not_know", reference=reference, stripe_error=refused.code)
    return GatewayUnavailable(is_answer=True)


def _nonsense(of: UUID, error: Exception) -> GatewayUnavailable:
    """Stripe's answer is not about what was asked: nothing is known, and a person has to look."""
    log.error("stripe_answer_not_believed", of=str(of), why=f"{type(error).__name__}: {error}")
    return GatewayUnavailable(is_answer=True)


def _made_at(row_id: UUID) -> datetime:
    """When a UUIDv7 was made: its first 48 bits are milliseconds."""
    return EPOCH + timedelta(milliseconds=row_id.int >> 80)
