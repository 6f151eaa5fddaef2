"""Calls to Stripe by its own SDK: what its errors mean, and what must not be seen of them."""

import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import stripe
import structlog
from pydantic import SecretStr

from app.payments.gateway import GatewayUnavailable

# The shapes that the code reads. A new one is taken on purpose, with the SDK that speaks it.
API_VERSION = "2026-10-28.endive"
RETRY_AFTER_SECONDS_MAX = 600
log = structlog.get_logger("stripe_gateway")


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """The merchant's account: its keys, and how its buyers may pay. An empty url is Stripe's."""

    secret_key: SecretStr
    publishable_key: str
    webhook_secrets: tuple[SecretStr, ...] = ()
    methods: tuple[str, ...] = ("card", "alipay", "wechat_pay")
    api_url: str = ""

    @property
    def is_live(self) -> bool:
        """Whether real money moves: `sk_live_…`, `rk_live_…`."""
        return self.secret_key.get_secret_value().split("_")[1] == "live"


class RefusedError(Exception):
    """Stripe does not do this, and would not if it were asked again; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SpoiltKeyError(Exception):
    """Stripe keeps repeating a failure for this idempotency key, or knows it for another wish."""


def client_of(account: StripeAccount, http: stripe.HTTPClient) -> stripe.StripeClient:
    """A client that speaks the pinned version.

    It does not retry by itself: whoever asks us retries, under the same key, and hears at once.
    """
    # Otherwise it tells Stripe how long calls took, and keeps a file in the home directory.
    stripe.enable_telemetry = False
    # At lower levels the SDK logs whole answers, client secrets included.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    addresses: Any = {"api": account.api_url} if account.api_url else None
    return stripe.StripeClient(
        account.secret_key.get_secret_value(),
        stripe_version=API_VERSION,
        base_addresses=addresses,
        http_client=http,
        max_network_retries=0,
    )


async def answered(call: Awaitable[Any]) -> Any:
    """What Stripe answers, as the SDK's object.

    Raises `GatewayUnavailable` where nothing is known, `RefusedError` or `SpoiltKeyError`.
    """
    try:
        return await call
    except stripe.StripeError as error:
        raise _meaning(error) from error


async def asked(call: Awaitable[Any]) -> dict[str, Any]:
    """What Stripe answers, as plain JSON."""
    told: dict[str, Any] = (await answered(call)).to_dict()
    return told


async def pages(call: Awaitable[Any]) -> AsyncIterator[dict[str, Any]]:
    """Every object of a list, page by page."""
    first = await answered(call)
    try:
        async for item in first.auto_paging_iter():
            yield item.to_dict()
    except stripe.StripeError as error:
        raise _meaning(error) from error


def _meaning(error: stripe.StripeError) -> Exception:
    if isinstance(error, stripe.IdempotencyError) or _is_repeated_failure(error):
        _log("stripe_key_spoilt", error)
        return SpoiltKeyError()
    if isinstance(error, stripe.CardError | stripe.InvalidRequestError):
        _log("stripe_refused", error)
        return RefusedError(_code(error))
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        log.error("stripe_refuses_our_key", **_facts(error))
    else:
        _log("stripe_unavailable", error)
    return GatewayUnavailable(_retry_after(error.headers or {}))


def _is_repeated_failure(error: stripe.StripeError) -> bool:
    repeated = (error.headers or {}).get("idempotent-replayed") == "true"
    return repeated and (error.http_status or 0) >= 500


def _code(error: Any) -> str:
    """Stripe's code; it has none for a refund of more than is left of the charge."""
    if error.code:
        return str(error.code)[:100]
    if "greater than unrefunded amount" in str(error.user_message):
        return "exceeds_the_charge"
    return f"invalid_{error.param}"[:100] if error.param else "invalid_request"


def _retry_after(headers: Mapping[str, str]) -> int:
    told = headers.get("retry-after", "")
    if told.isascii() and told.isdigit() and len(told) <= 9:
        return min(max(int(told), 1), RETRY_AFTER_SECONDS_MAX)
    return 2


def _log(event: str, error: stripe.StripeError) -> None:
    log.warning(event, **_facts(error))


def _facts(error: stripe.StripeError) -> dict[str, Any]:
    """What may be read in a log: never the message, which may quote a key."""
    return {
        "error": type(error).__name__,
        "status": error.http_status,
        "stripe_error": getattr(error, "code", None),
        "stripe_request": error.request_id,
    }
