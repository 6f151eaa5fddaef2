"""WeChat Pay, set up: all of it or none, and what is wrong in one line without a secret."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from app.payments import adapters
from app.payments.adapters.wechatpay import wechatpay_gateway
from app.payments.gateway import payer_app_id
from app.wiring import gateways_of
from tests.conftest import make_settings
from tests.doubles.wechatpay import Merchant, PlatformKey, WechatPayDouble
from tests.fakes import FrozenClock
from tests.payments.wechatpay import settings_of

Keys = tuple[Merchant, PlatformKey, PlatformKey]


@pytest.fixture
def told(wechatpay: WechatPayDouble, wechatpay_keys: Keys) -> dict[str, Any]:
    return settings_of(wechatpay, wechatpay_keys[1:])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("wechatpay_mch_id", "", "WECHATPAY_MCH_ID is missing"),
        ("wechatpay_cert_serial", "", "WECHATPAY_CERT_SERIAL is missing"),
        ("wechatpay_private_key", "", "WECHATPAY_PRIVATE_KEY is missing"),
        ("wechatpay_api_v3_key", "", "WECHATPAY_API_V3_KEY is missing"),
        ("wechatpay_platform_keys", {}, "WECHATPAY_PLATFORM_KEYS is missing"),
        ("wechatpay_notify_url", "", "WECHATPAY_NOTIFY_URL is missing"),
        ("wechat_app_id", "", "WECHAT_APP_ID is missing"),
        ("wechatpay_api_v3_key", "canary-too-short", "WECHATPAY_API_V3_KEY must be 32 bytes"),
        ("wechatpay_notify_url", "http://shop.test/v1", "WECHATPAY_NOTIFY_URL must begin"),
        ("wechatpay_notify_url", "https://shop.test/v1?a=1", "WECHATPAY_NOTIFY_URL must begin"),
    ],
)
def test_half_an_account_is_refused(name: str, value: Any, says: str, told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=says) as refused:
        make_settings("sqlite://", **{**told, name: value})
    for secret in (told["wechatpay_private_key"][40:80], told["wechatpay_api_v3_key"], "canary"):
        assert secret not in str(refused.value)


def test_it_cannot_be_the_choice_where_it_is_not_set() -> None:
    with pytest.raises(ValidationError, match=r"WECHATPAY_MCH_ID, .* missing"):
        make_settings("sqlite://", gateway="wechatpay")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("wechatpay_private_key", "canary/no/such/file", "WECHATPAY_PRIVATE_KEY is neither PEM"),
        ("wechatpay_private_key", "-----BEGIN PRIVATE KEY-----\ncanary", "not a private key"),
        ("wechatpay_platform_keys", {"A1": "canary"}, "WECHATPAY_PLATFORM_KEYS A1 is neither PEM"),
        (
            "wechatpay_platform_keys",
            {"A1": "-----BEGIN CERTIFICATE-----\ncanary"},
            "WECHATPAY_PLATFORM_KEYS A1 is neither a public key",
        ),
        (
            "wechatpay_platform_keys",
            {"PUB_KEY_ID_1": "-----BEGIN PUBLIC KEY-----\ncanary"},
            "WECHATPAY_PLATFORM_KEYS PUB_KEY_ID_1 is neither a public key",
        ),
    ],
)
def test_keys_that_are_none_end_the_start(
    name: str, value: Any, says: str, told: dict[str, Any]
) -> None:
    settings = make_settings("sqlite://", **{**told, name: value})
    with pytest.raises(SystemExit, match=says) as end:
        wechatpay_gateway(settings)
    assert "canary" not in str(end.value)


def test_keys_may_stand_in_files_or_on_one_line(
    told: dict[str, Any], tmp_path: Path, wechatpay_keys: Keys
) -> None:
    file = tmp_path / "apiclient_key.pem"
    file.write_text(told["wechatpay_private_key"])
    key = wechatpay_keys[2]
    keys = {key.serial: key.pem.replace("\n", "\\n")}
    more = {"wechatpay_private_key": str(file), "wechatpay_platform_keys": keys}
    wechatpay_gateway(make_settings("sqlite://", **{**told, **more}))


def test_it_is_there_where_it_is_configured(told: dict[str, Any]) -> None:
    database: Any = SimpleNamespace(clock=FrozenClock())
    assert set(gateways_of(make_settings("sqlite://"), database)) == {"sandbox"}
    gateways = gateways_of(make_settings("sqlite://", **told), database)
    assert set(gateways) == {"sandbox", "wechatpay"}
    assert payer_app_id(gateways["wechatpay"]) == told["wechat_app_id"]
    assert payer_app_id(gateways["sandbox"]) is None


def test_without_its_library_one_line_says_what_is_missing(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package itself is imported by everybody, so it must do without."""
    package = "app.payments.adapters.wechatpay"
    for name in [n for n in sys.modules if n.startswith(package)]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("wechatpayv3", "wechatpayv3.async_", "httpx", "aiofiles"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(adapters, "wechatpay", importlib.import_module(package))
    with pytest.raises(SystemExit, match=r"not installed: pip install 'quanpu\[wechatpay\]'"):
        adapters.wechatpay.wechatpay_gateway(make_settings("sqlite://", **told))
