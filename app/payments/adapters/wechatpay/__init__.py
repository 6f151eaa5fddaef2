"""WeChat Pay v3 for mini programs, by the merchant's own account; needs the extra `wechatpay`.

Nothing here imports its library until an account is configured.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from app.payments.adapters.wechatpay.account import Account
from app.settings import Settings

if TYPE_CHECKING:
    from app.payments.adapters.wechatpay.gateway import WechatPayGateway


def wechatpay_gateway(settings: Settings) -> "WechatPayGateway":
    """The gateway of the configured account; ends the process with one line where it cannot be."""
    try:
        from app.payments.adapters.wechatpay.gateway import WechatPayGateway
    except ImportError:
        raise SystemExit(
            "quanpu: WECHATPAY_MCH_ID is set, but the library of WeChat Pay is not installed: "
            "pip install 'quanpu[wechatpay]'"
        ) from None
    try:
        return WechatPayGateway(_account(settings))
    except ValueError as error:
        raise SystemExit(f"quanpu: the settings of WeChat Pay are refused: {error}") from None


def _account(settings: Settings) -> Account:
    keys = settings.wechatpay_platform_keys
    return Account(
        app_id=settings.wechat_app_id,
        mch_id=settings.wechatpay_mch_id,
        cert_serial=settings.wechatpay_cert_serial,
        private_key=_pem(
            "WECHATPAY_PRIVATE_KEY", settings.wechatpay_private_key.get_secret_value()
        ),
        api_v3_key=settings.wechatpay_api_v3_key.get_secret_value(),
        platform_keys={
            serial: _pem(f"WECHATPAY_PLATFORM_KEYS {serial}", text) for serial, text in keys.items()
        },
        notify_url=settings.wechatpay_notify_url,
        api_url=settings.wechatpay_api_url.rstrip("/"),
        timeout_seconds=settings.gateway_timeout_seconds,
    )


def _pem(name: str, told: str) -> str:
    """The PEM itself, or what stands in the file; a line's `\\n` counts as its end."""
    if told.lstrip().startswith("-----BEGIN "):
        return told.strip().replace("\\n", "\n")
    try:
        return Path(told).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        # What was told is not repeated: it may be a key without its first line.
        raise ValueError(f"{name} is neither PEM nor a file of it that can be read") from None
