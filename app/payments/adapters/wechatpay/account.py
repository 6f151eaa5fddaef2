"""A merchant's account at WeChat Pay, as it is configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are to WeChat Pay; keys are PEM, `platform_keys` by what it calls each of its own.

    An empty `api_url` is WeChat's.
    """

    app_id: str
    mch_id: str
    cert_serial: str
    private_key: str = field(repr=False)
    api_v3_key: str = field(repr=False)
    platform_keys: Mapping[str, str] = field(repr=False)
    notify_url: str
    api_url: str
    timeout_seconds: float
