"""The market again: payments are tested where they are made."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.conftest import make_settings
from tests.doubles.wechatpay import Merchant, PlatformKey, WechatPayDouble
from tests.fakes import FrozenClock
from tests.orders.market import Market
from tests.payments.provider import Provider
from tests.payments.wechatpay import Till


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Tokens outlive the hours that these stories skip."""
    return make_settings(database_url, access_token_ttl_seconds=86_400)


@pytest.fixture
async def market(application: FastAPI, clock: FrozenClock, client: httpx2.AsyncClient) -> Market:
    return await Market(application, clock, client).open()


@pytest.fixture
def provider(market: Market) -> Provider:
    """The sandbox, with somebody who may do something at any bad moment."""
    return Provider.installed(market)


@pytest.fixture(scope="session")
def wechatpay_keys() -> tuple[Merchant, PlatformKey, PlatformKey]:
    """Keys take longer to make than most tests; the second of the platform's is its next one."""
    return Merchant(), PlatformKey.certificate(), PlatformKey.public_key()


@pytest.fixture
async def wechatpay(
    wechatpay_keys: tuple[Merchant, PlatformKey, PlatformKey], tmp_path: Path, clock: FrozenClock
) -> AsyncIterator[WechatPayDouble]:
    """WeChat Pay on a port, with empty books."""
    merchant, key, _ = wechatpay_keys
    wechatpay = WechatPayDouble(
        tmp_path / "truth.jsonl", merchant=merchant, key=key, clock=clock.now
    )
    await wechatpay.start()
    yield wechatpay
    await wechatpay.stop()


@pytest.fixture
async def till(
    wechatpay: WechatPayDouble, wechatpay_keys: tuple[Merchant, PlatformKey, PlatformKey]
) -> AsyncIterator[Till]:
    """Our gateway beside it, which knows the platform's next key already."""
    till = Till.opened(wechatpay, wechatpay_keys[1:])
    yield till
    await till.gateway.close()
