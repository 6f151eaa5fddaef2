"""The library's asynchronous client, taught an address of its own and several platform keys.

The library signs, encodes, encrypts and verifies. What it does not do is done here: it has its
address in its code, knows one public key or else fetches certificates on its way, and fails with
bare exceptions. It keeps silent, as it would log whole requests. It verifies what was done, not
what was refused: a refusal is believed for the sake of the connection it came over.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from wechatpayv3.async_ import AsyncWeChatPay, WeChatPayType
from wechatpayv3.async_.core import AsyncCore
from wechatpayv3.async_.utils import (
    aes_decrypt,
    load_certificate,
    load_private_key,
    load_public_key,
    rsa_verify,
)

from app.payments.adapters.wechatpay import words
from app.payments.adapters.wechatpay.account import Account
from app.payments.gateway import ChargeWish, GatewayUnavailable, RefundWish

log = structlog.get_logger("wechatpay")

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
# Answers after which nothing is known; our own signature refused is our fault, not the buyer's.
UNANSWERED_STATUSES = frozenset({401, 429})
UNANSWERED_CODES = frozenset({"SYSTEM_ERROR", "FREQUENCY_LIMITED", "BIZ_ERR_NEED_RETRY"})


class AnswerNotGenuineError(Exception):
    """An answer that no platform key has signed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What WeChat Pay said; `code` names its refusal."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """Its word for the refusal; its sentence may quote personal data and is not read."""
        told = self.body.get("code")
        return told[:64] if isinstance(told, str) else ""


class _Core(AsyncCore):  # type: ignore[misc]  # the library carries no types
    _client: httpx.AsyncClient | None

    def __init__(self, account: Account) -> None:
        super().__init__(
            mchid=account.mch_id,
            cert_serial_no=account.cert_serial,
            private_key=None,
            apiv3_key=account.api_v3_key,
            timeout=account.timeout_seconds,
        )
        self._private_key = _loaded(load_private_key, account.private_key)
        if self._private_key is None:
            raise ValueError("WECHATPAY_PRIVATE_KEY is not a private key in PEM")
        if account.api_url:
            self._gate_way = account.api_url
        self._keys = {
            serial: _public_key(serial, pem) for serial, pem in account.platform_keys.items()
        }
        # Named in requests, it makes WeChat sign with this key instead of a certificate's.
        self._public_key_id = next((s for s in self._keys if s.startswith("PUB_KEY_ID_")), None)

    async def request(self, path: str, *args: Any, **kwargs: Any) -> tuple[int, str | bytes]:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout)
        told: tuple[int, str | bytes] = await super().request(path, *args, **kwargs)
        return told

    def is_signed(self, headers: Mapping[str, str], body: str) -> bool:
        """Whether one of the platform's configured keys has signed this."""
        key = self._keys.get(headers.get("wechatpay-serial", ""))
        if key is None or headers.get("wechatpay-signature-type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
            return False
        timestamp, nonce, signature = (
            headers.get(f"wechatpay-{part}", "") for part in ("timestamp", "nonce", "signature")
        )
        return bool(rsa_verify(timestamp, nonce, body, signature, key))

    async def _verify_signature_async(self, headers: Mapping[str, str], body: str) -> bool:
        if not self.is_signed(headers, body):
            raise AnswerNotGenuineError
        return True


class Client:
    """The calls we make; all raise `GatewayUnavailable` where nothing can be known from them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._pay = AsyncWeChatPay(
            wechatpay_type=WeChatPayType.MINIPROG,
            mchid=account.mch_id,
            private_key=None,
            cert_serial_no=account.cert_serial,
            appid=account.app_id,
            apiv3_key=account.api_v3_key,
            notify_url=account.notify_url,
        )
        # The one that it makes for itself cannot be set up, so it gets no key and goes.
        self._core = self._pay._core = _Core(account)
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def prepay(self, wish: ChargeWish) -> Answer:
        """Announce a payment; the answer's `prepay_id` is what the buyer's WeChat wants."""
        return await _answered(
            lambda: self._pay.pay(
                description=f"圈铺订单 {wish.order_id.hex[-8:]}",
                out_trade_no=wish.payment_id.hex,
                amount={"total": wish.amount, "currency": wish.currency},
                payer={"openid": wish.payer},
                attach=str(wish.order_id),
            )
        )

    async def query(self, out_trade_no: str) -> Answer:
        """What became of a payment."""
        return await _answered(lambda: self._pay.query(out_trade_no=out_trade_no))

    async def close(self, out_trade_no: str) -> Answer:
        """Let a payment not be made any more."""
        return await _answered(lambda: self._pay.close(out_trade_no=out_trade_no))

    async def refund(self, wish: RefundWish, out_refund_no: str, total: int) -> Answer:
        """Give back a part of a payment of `total`; the same number gives back once."""
        return await _answered(
            lambda: self._pay.refund(
                out_refund_no=out_refund_no,
                out_trade_no=wish.payment_id.hex,
                amount={"refund": wish.amount, "total": total, "currency": wish.currency},
            )
        )

    async def query_refund(self, out_refund_no: str) -> Answer:
        """What became of a refund."""
        return await _answered(lambda: self._pay.query_refund(out_refund_no=out_refund_no))

    def signed(self, *parts: str) -> str:
        """Our signature over these lines, in base64."""
        made: str = self._pay.sign(list(parts))
        return made

    def is_signed(self, headers: Mapping[str, str], body: str) -> bool:
        """Whether WeChat Pay has signed this message; header names in lower case."""
        return self._core.is_signed(headers, body)

    def decrypted(self, resource: Mapping[str, Any]) -> str | None:
        """What a message holds, or `None` where it is not encrypted with our key."""
        parts = [resource.get(name, "") for name in ("nonce", "ciphertext", "associated_data")]
        if not all(isinstance(part, str) for part in parts):
            return None
        told: str | None = aes_decrypt(*parts, self._account.api_v3_key)
        return told

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._core.__aexit__(None, None, None)


async def _answered(call: Callable[[], Awaitable[tuple[int, str | bytes]]]) -> Answer:
    try:
        status, text = await call()
        answer = Answer(status, words.an_object(json.loads(text or "{}")))
    except (httpx.HTTPError, AnswerNotGenuineError, ValueError) as error:
        # Its text may hold what was sent.
        log.warning("wechatpay_unreachable", reason=type(error).__name__)
        raise GatewayUnavailable from None
    if status >= 500 or status in UNANSWERED_STATUSES or answer.code in UNANSWERED_CODES:
        log.warning("wechatpay_unavailable", status=status, refusal=answer.code)
        raise GatewayUnavailable
    if not answer.ok:
        log.info("wechatpay_refused", status=status, refusal=answer.code)
    return answer


def _public_key(serial: str, pem: str) -> Any:
    """The key itself or a certificate's: WeChat Pay hands out either, by the merchant's age."""
    if "BEGIN CERTIFICATE" in pem:
        certificate = load_certificate(pem)
        key = certificate.public_key() if certificate is not None else None
    else:
        key = _loaded(load_public_key, pem)
    if key is None:
        raise ValueError(
            f"WECHATPAY_PLATFORM_KEYS {serial} is neither a public key nor a certificate in PEM"
        )
    return key


def _loaded(loader: Callable[[str], Any], pem: str) -> Any:
    try:
        return loader(pem)
    except Exception:  # noqa: BLE001 - the library raises nothing narrower
        return None
