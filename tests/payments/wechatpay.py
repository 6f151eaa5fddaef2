"""A till at WeChat Pay: our gateway, set up for the double on its port."""

import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog

from app.core.ids import new_id
from app.core.logging import configure_logging
from app.payments.adapters.wechatpay import wechatpay_gateway
from app.payments.adapters.wechatpay.gateway import WechatPayGateway
from app.payments.gateway import Charge, ChargeWish, GatewayRefund, RefundWish
from tests.conftest import make_settings
from tests.doubles.wechatpay import Message, PlatformKey, WechatPayDouble

NOTIFY_URL = "https://shop.test/v1/hooks/wechatpay"
NOW = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)


def settings_of(double: WechatPayDouble, keys: Iterable[PlatformKey]) -> dict[str, Any]:
    """Settings of the account that the double knows."""
    merchant = double.merchant
    return {
        "wechat_app_id": merchant.app_id,
        "wechat_app_secret": "unused",
        "wechatpay_mch_id": merchant.mch_id,
        "wechatpay_cert_serial": merchant.cert_serial,
        "wechatpay_private_key": merchant.private_pem,
        "wechatpay_api_v3_key": merchant.api_v3_key,
        "wechatpay_platform_keys": {key.serial: key.pem for key in keys},
        "wechatpay_notify_url": NOTIFY_URL,
        "wechatpay_api_url": double.url,
    }


@contextmanager
def logging_everything(level: str = "debug") -> Iterator[io.StringIO]:
    """All that is logged, down to what libraries say to themselves, as it is written."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level_before = root.handlers[:], root.level
    configure_logging(level)
    [ours] = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    sink = io.StringIO()
    ours.setStream(sink)
    yield sink
    root.handlers[:] = handlers
    root.setLevel(level_before)
    structlog.configure(**kept)


def charge_wish(**more: Any) -> ChargeWish:
    wish = ChargeWish(new_id(), new_id(), 15_900, "CNY", "wechat", payer="o-buyer")
    return replace(wish, **more)


def refund_wish(paid: Charge, **more: Any) -> RefundWish:
    wish = RefundWish(uuid4(), paid.payment_id, paid.reference, 900, "CNY")
    return replace(wish, **more)


@dataclass
class Till:
    """The gateway under test and the double that it talks to."""

    double: WechatPayDouble
    gateway: WechatPayGateway

    @classmethod
    def opened(cls, double: WechatPayDouble, keys: Iterable[PlatformKey]) -> "Till":
        return cls(
            double, wechatpay_gateway(make_settings("sqlite://", **settings_of(double, keys)))
        )

    async def charge(self, wish: ChargeWish) -> Charge:
        return await self.gateway.charge(wish, now=NOW)

    async def find(self, wish: ChargeWish) -> Charge | None:
        return await self.gateway.find(wish, now=NOW)

    async def cancel(self, wish: ChargeWish) -> Charge:
        return await self.gateway.cancel(wish, now=NOW)

    async def refund(self, wish: RefundWish) -> GatewayRefund:
        return await self.gateway.refund(wish, now=NOW)

    async def paid(self, **more: Any) -> Charge:
        """A payment that the buyer has made."""
        wish = charge_wish(**more)
        begun = await self.charge(wish)
        assert begun.next_step is not None
        self.double.pay(dict(begun.next_step))
        found = await self.find(wish)
        assert found is not None
        return found

    def told(self, message: Message) -> Any:
        """What a message says after all checks."""
        now = self.double.clock() + timedelta(seconds=5)
        event = self.gateway.verify(message.body, message.headers, now=now)
        [told] = self.gateway.read(event)
        return told
