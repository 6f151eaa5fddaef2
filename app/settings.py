"""Every knob of the service; weak or default secrets are refused outside development."""

import ipaddress
import re
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

DEVELOPMENT_SECRET = "quanpu-development-secret-change-me-32b"  # noqa: S105
SECRET_BYTES_MIN = 32
API_V3_KEY_BYTES = 32
_STRIPE_SECRET_KEY = re.compile(r"[sr]k_(test|live)_[A-Za-z0-9_]+")
_STRIPE_PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_[A-Za-z0-9_]+")


class Settings(BaseSettings):
    """Read from the environment (and `.env`); names here are the names there, in upper case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        # The text of a refusal must not show the secrets it stands beside.
        hide_input_in_errors=True,
    )

    app_env: Literal["development", "test", "production"] = "development"
    database_url: SecretStr = SecretStr("sqlite:///./quanpu.db")
    token_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    token_issuer: str = "quanpu"  # noqa: S105
    access_token_ttl_seconds: int = Field(default=900, ge=30, le=86_400)
    refresh_token_ttl_seconds: int = Field(default=30 * 86_400, ge=60)

    db_pool_size: int = Field(default=12, ge=1, le=20)
    db_reader_pool_size: int = Field(default=6, ge=1, le=20)
    db_pool_timeout_seconds: int = Field(default=10, ge=1, le=60)
    db_lock_timeout_ms: int = Field(default=3_000, ge=10)
    db_statement_timeout_ms: int = Field(default=8_000, ge=10)
    db_long_statement_timeout_ms: int = Field(default=120_000, ge=10)

    request_timeout_seconds: int = Field(default=25, ge=1, le=300)
    body_bytes_max: int = Field(default=1_048_576, ge=1_024)
    cors_origins: list[str] = []
    trusted_proxies: list[str] = []
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    docs_public: bool | None = None

    idempotency_ttl_seconds: int = Field(default=48 * 3_600, ge=24 * 3_600)
    idempotency_lease_seconds: int = Field(default=60, ge=5)

    order_ttl_seconds: int = Field(default=30 * 60, ge=1)
    group_order_ttl_seconds: int = Field(default=15 * 60, ge=1)
    group_grace_seconds: int = Field(default=60, ge=0)
    quote_ttl_seconds: int = Field(default=15 * 60, ge=1)

    return_period_seconds: int = Field(default=7 * 86_400, ge=0)
    order_close_seconds: int = Field(default=15 * 86_400, ge=1)

    worker_embedded: bool = False
    worker_poll_seconds: float = Field(default=0.5, gt=0)
    worker_metrics_address: str = Field(default="", pattern=r"^(\S+:[0-9]{1,5})?$")
    outbox_lease_seconds: int = Field(default=30, ge=1)
    refund_lease_seconds: int = Field(default=60, ge=1)
    outbox_batch_rows: int = Field(default=50, ge=1, le=1_000)
    sweep_batch_rows: int = Field(default=100, ge=1, le=1_000)

    gateway: Literal["sandbox", "stripe", "wechatpay"] = "sandbox"
    allow_sandbox: bool = False
    gateway_timeout_seconds: float = Field(default=10, gt=0)
    sandbox_delay_seconds: int = Field(default=5, ge=0)
    hook_events_kept_days: int = Field(default=30, ge=1)

    webhook_seal_keys: list[SecretStr] = []
    webhook_kept_days: int = Field(default=30, ge=1, le=3_650)
    webhook_allow_loopback: bool = False
    webhook_timeout_seconds: float = Field(default=15, gt=0, le=60)
    webhook_concurrency: int = Field(default=128, ge=1, le=1_000)

    stripe_secret_key: SecretStr = SecretStr("")
    stripe_publishable_key: str = ""
    stripe_webhook_secrets: list[SecretStr] = []
    stripe_api_url: str = ""
    stripe_methods: list[Literal["card", "alipay", "wechat_pay"]] = ["card", "alipay", "wechat_pay"]

    wechat_app_id: str = ""
    wechat_app_secret: SecretStr = SecretStr("")
    wechat_api_url: str = "https://api.weixin.qq.com"

    wechatpay_mch_id: str = ""
    wechatpay_cert_serial: str = ""
    wechatpay_private_key: SecretStr = SecretStr("")
    wechatpay_api_v3_key: SecretStr = SecretStr("")
    wechatpay_platform_keys: dict[str, str] = {}
    wechatpay_notify_url: str = ""
    wechatpay_api_url: str = ""

    sign_in_attempts_per_minute: int = Field(default=30, ge=1)
    wrong_codes_per_ten_minutes: int = Field(default=20, ge=1)
    lockout_failures: int = Field(default=8, ge=3)
    lockout_seconds: int = Field(default=15 * 60, ge=1)
    invitation_ttl_seconds: int = Field(default=7 * 86_400, ge=60)
    redis_url: SecretStr = SecretStr("")

    @field_validator("docs_public", mode="before")
    @classmethod
    def _empty_is_unset(cls, told: object) -> object:
        return None if told == "" else told

    @field_validator("trusted_proxies")
    @classmethod
    def _as_networks(cls, told: list[str]) -> list[str]:
        """Each in its one spelling; a single address is a network of one."""
        networks = []
        for number, entry in enumerate(told, start=1):
            try:
                networks.append(str(ipaddress.ip_network(entry, strict=False)))
            except ValueError:
                raise ValueError(
                    f"entry {number} is neither an address (10.0.0.1) nor a network (10.0.0.0/8)"
                ) from None
        return networks

    @model_validator(mode="after")
    def _refuse_weak_secrets(self) -> Self:
        secret = self.token_secret.get_secret_value()
        if len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"TOKEN_SECRET must be at least {SECRET_BYTES_MIN} bytes")
        if self.app_env != "development" and secret == DEVELOPMENT_SECRET:
            raise ValueError("TOKEN_SECRET still has its default value; set your own")
        return self

    @model_validator(mode="after")
    def _refuse_weak_seals(self) -> Self:
        if any(
            len(key.get_secret_value().encode()) < SECRET_BYTES_MIN
            for key in self.webhook_seal_keys
        ):
            raise ValueError(f"WEBHOOK_SEAL_KEYS must each be at least {SECRET_BYTES_MIN} bytes")
        if self.app_env == "production" and self.webhook_allow_loopback:
            raise ValueError("WEBHOOK_ALLOW_LOOPBACK is for tests; it is refused in production")
        return self

    @model_validator(mode="after")
    def _refuse_sandboxes_in_production(self) -> Self:
        sandboxed = "sandbox" in {self.gateway, self.wechat_app_id or "sandbox"}
        if self.app_env == "production" and sandboxed and not self.allow_sandbox:
            raise ValueError(
                "sandbox payments or sandbox sign-in in production; set ALLOW_SANDBOX=true "
                "only where nobody can lose money by it"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_a_stripe(self) -> Self:
        key = self.stripe_secret_key.get_secret_value()
        if not key:
            if self.gateway == "stripe":
                raise ValueError("GATEWAY=stripe needs STRIPE_SECRET_KEY and the keys beside it")
            return self
        secret = _STRIPE_SECRET_KEY.fullmatch(key)
        if secret is None:
            raise ValueError("STRIPE_SECRET_KEY must begin with sk_test_, sk_live_ or rk_…")
        public = _STRIPE_PUBLISHABLE_KEY.fullmatch(self.stripe_publishable_key)
        if public is None or public[1] != secret[1]:
            raise ValueError(
                f"STRIPE_PUBLISHABLE_KEY must be the pk_{secret[1]}_… of the same mode"
            )
        if not self.stripe_methods or not all(
            s.get_secret_value() for s in self.stripe_webhook_secrets
        ):
            raise ValueError("STRIPE_METHODS and each of STRIPE_WEBHOOK_SECRETS must not be empty")
        return self

    @model_validator(mode="after")
    def _refuse_the_other_mode(self) -> Self:
        """Real money moves in production only, and nothing else does there."""
        key, production = self.stripe_secret_key.get_secret_value(), self.app_env == "production"
        if not key:
            return self
        if ("_live_" in key) is not production and not self.allow_sandbox:
            raise ValueError(
                "STRIPE_SECRET_KEY is live outside production, or a test key in production; "
                "set ALLOW_SANDBOX=true only where nobody can lose money by it"
            )
        url = self.stripe_api_url or "https://api.stripe.com"
        if production and not url.startswith("https://"):
            raise ValueError("STRIPE_API_URL must begin with https:// in production")
        return self

    @model_validator(mode="after")
    def _refuse_half_of_wechatpay(self) -> Self:
        """All of it or none: half an account would fail at the first buyer, not at the start."""
        needed: dict[str, object] = {
            "WECHATPAY_MCH_ID": self.wechatpay_mch_id,
            "WECHATPAY_CERT_SERIAL": self.wechatpay_cert_serial,
            "WECHATPAY_PRIVATE_KEY": self.wechatpay_private_key.get_secret_value(),
            "WECHATPAY_API_V3_KEY": self.wechatpay_api_v3_key.get_secret_value(),
            "WECHATPAY_PLATFORM_KEYS": self.wechatpay_platform_keys,
            "WECHATPAY_NOTIFY_URL": self.wechatpay_notify_url,
        }
        if not any(needed.values()) and self.gateway != "wechatpay":
            return self
        needed["WECHAT_APP_ID"] = self.wechat_app_id
        missing = [name for name, told in needed.items() if not told]
        if missing:
            raise ValueError(f"WeChat Pay is set by half; {', '.join(missing)} is missing")
        if len(self.wechatpay_api_v3_key.get_secret_value().encode()) != API_V3_KEY_BYTES:
            raise ValueError(f"WECHATPAY_API_V3_KEY must be {API_V3_KEY_BYTES} bytes")
        # WeChat takes nothing else, and says so only when the first buyer pays.
        if not re.fullmatch(r"https://[^/?#\s]+/[^?#\s]*", self.wechatpay_notify_url):
            raise ValueError("WECHATPAY_NOTIFY_URL must begin with https:// and have no query")
        return self

    @model_validator(mode="after")
    def _refuse_what_cannot_work(self) -> Self:
        if self.idempotency_lease_seconds <= self.request_timeout_seconds:
            raise ValueError(
                "IDEMPOTENCY_LEASE_SECONDS must be longer than REQUEST_TIMEOUT_SECONDS, "
                "or a retry overtakes a request that is still at work"
            )
        if self.order_close_seconds <= self.return_period_seconds:
            raise ValueError(
                "ORDER_CLOSE_SECONDS must be longer than RETURN_PERIOD_SECONDS, "
                "or orders close while their goods may still come back"
            )
        if not self.sqlalchemy_url.startswith(("postgresql+asyncpg://", "sqlite+aiosqlite://")):
            raise ValueError("DATABASE_URL must begin with postgresql:// or sqlite://")
        return self

    @property
    def shows_docs(self) -> bool:
        """Whether the API's pages are served; unless told, everywhere but in production."""
        return self.app_env != "production" if self.docs_public is None else self.docs_public

    @property
    def takes_play_money(self) -> bool:
        """Whether a buyer may choose the sandbox; one in production would shop for nothing."""
        return self.app_env != "production" or self.allow_sandbox

    @cached_property
    def sqlalchemy_url(self) -> str:
        """The database address with its asynchronous driver named; a plain one is accepted too."""
        url = self.database_url.get_secret_value()
        for plain, driver in (
            ("postgresql://", "postgresql+asyncpg://"),
            ("postgres://", "postgresql+asyncpg://"),
            ("sqlite://", "sqlite+aiosqlite://"),
        ):
            if url.startswith(plain):
                url = driver + url.removeprefix(plain)
        # libpq's name for it; asyncpg calls it otherwise.
        return url.replace("?sslmode=", "?ssl=").replace("&sslmode=", "&ssl=")

    @property
    def is_sqlite(self) -> bool:
        """True for the database in a file, which has one writer at a time."""
        return self.sqlalchemy_url.startswith("sqlite")


def settings_or_exit() -> Settings:
    """The settings of this process; ends it with one clear line where they do not hold."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])).upper()} {fault['msg']}".strip()
            for fault in error.errors(include_input=False, include_context=False)
        )
        told = "; ".join(faults)
    except SettingsError as error:
        told = str(error)
    raise SystemExit(f"quanpu: the settings are refused: {told}")
