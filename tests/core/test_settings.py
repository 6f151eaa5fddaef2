"""Settings that would be dangerous are refused, in one line, without showing a secret."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import DEVELOPMENT_SECRET, Settings
from tests.conftest import TOKEN_SECRET, make_settings

WECHAT = {"wechat_app_id": "wx1", "wechat_app_secret": "CANARY-wechat"}
STRIPE = {
    "gateway": "stripe",
    "stripe_secret_key": "sk_test_CANARY1",
    "stripe_publishable_key": "pk_test_1",
    "stripe_webhook_secrets": ["whsec_CANARY1", "whsec_CANARY2"],
}
LIVE = {**STRIPE, "stripe_secret_key": "rk_live_CANARY1", "stripe_publishable_key": "pk_live_1"}


def refused(**values: Any) -> str:
    with pytest.raises(ValidationError) as error:
        make_settings("sqlite://", **values)
    return str(error.value)


def test_development_starts_without_any_setting() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert settings.app_env == "development"
    assert settings.is_sqlite


@pytest.mark.parametrize("env", ["test", "production"])
def test_the_default_secret_is_refused_outside_development(env: str) -> None:
    told = refused(app_env=env, token_secret=DEVELOPMENT_SECRET, allow_sandbox=True)
    assert "TOKEN_SECRET still has its default value" in told
    assert DEVELOPMENT_SECRET not in told


@pytest.mark.parametrize("env", ["development", "test", "production"])
def test_a_short_secret_is_refused_everywhere(env: str) -> None:
    told = refused(app_env=env, token_secret="CANARY-short", allow_sandbox=True)
    assert "TOKEN_SECRET must be at least 32 bytes" in told
    assert "CANARY" not in told


def test_a_refusal_does_not_repeat_its_input() -> None:
    with pytest.raises(ValidationError) as error:
        Settings(_env_file=None, token_secret="CANARY")  # type: ignore[call-arg, arg-type]
    assert "CANARY" not in str(error.value)
    with pytest.raises(ValidationError) as error:
        Settings(_env_file=None, token_secret=["CANARY"])  # type: ignore[call-arg, arg-type]
    assert "CANARY" not in str(error.value)


def test_length_is_counted_in_bytes() -> None:
    assert make_settings("sqlite://", token_secret="圈" * 11)
    refused(token_secret="圈" * 10)


@pytest.mark.parametrize("more", [{}, WECHAT])
def test_a_sandbox_in_production_is_refused(more: dict[str, str]) -> None:
    told = refused(app_env="production", **more)
    assert "ALLOW_SANDBOX" in told
    assert make_settings("sqlite://", app_env="production", allow_sandbox=True, **more)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gateway": "stripe"}, "GATEWAY=stripe needs STRIPE_SECRET_KEY"),
        ({**STRIPE, "stripe_secret_key": "CANARY"}, "STRIPE_SECRET_KEY must begin with"),
        ({**STRIPE, "stripe_secret_key": "pk_test_CANARY"}, "STRIPE_SECRET_KEY must begin with"),
        ({**STRIPE, "stripe_secret_key": "sk_test_CANARY\n"}, "STRIPE_SECRET_KEY must begin with"),
        ({**STRIPE, "stripe_publishable_key": ""}, "must be the pk_test_"),
        ({**STRIPE, "stripe_publishable_key": "pk_live_1"}, "must be the pk_test_"),
        ({**STRIPE, "stripe_webhook_secrets": ["whsec_CANARY", ""]}, "STRIPE_WEBHOOK_SECRETS"),
        ({**STRIPE, "stripe_methods": []}, "STRIPE_METHODS"),
        ({**STRIPE, "stripe_methods": ["cash"]}, "stripe_methods"),
        (LIVE, "live outside production"),
        ({**LIVE, "app_env": "development"}, "live outside production"),
        ({**STRIPE, **WECHAT, "app_env": "production"}, "a test key in production"),
        (
            {**LIVE, **WECHAT, "app_env": "production", "stripe_api_url": "http://stripe"},
            "STRIPE_API_URL must begin with https://",
        ),
    ],
)
def test_half_a_stripe_or_one_of_the_other_mode_is_refused(
    values: dict[str, Any], told: str
) -> None:
    text = refused(**values)
    assert told in text
    assert "CANARY" not in text


def test_stripe_starts_in_its_own_mode() -> None:
    assert make_settings("sqlite://", **STRIPE).takes_play_money
    real = make_settings("sqlite://", app_env="production", **LIVE, **WECHAT)
    assert not real.takes_play_money, "a sandbox beside it would sell for nothing"
    played = make_settings("sqlite://", app_env="production", allow_sandbox=True, **STRIPE)
    assert played.takes_play_money


@pytest.mark.parametrize(
    "values",
    [
        {"db_pool_size": 0},
        {"db_pool_size": 21},
        {"idempotency_ttl_seconds": 3_600},
        {"app_env": "prod"},
        {"request_timeout_seconds": 0},
        {"body_bytes_max": 5},
        {"log_level": "loud"},
        {"idempotency_lease_seconds": 20},
    ],
)
def test_values_out_of_bounds_are_refused(values: dict[str, Any]) -> None:
    assert next(iter(values)).upper() in refused(**values).upper()


def test_nothing_secret_is_shown() -> None:
    settings = make_settings(
        "postgresql://quanpu:CANARY-db@db/quanpu",
        token_secret="CANARY-token-secret-of-thirty-two",
        redis_url="redis://:CANARY-redis@cache/0",
        **WECHAT,
        **STRIPE,
    )
    assert "CANARY-db" in settings.sqlalchemy_url
    for shown in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
    ):
        assert "CANARY" not in shown


@pytest.mark.parametrize(
    ("told", "used", "sqlite"),
    [
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d", False),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d", False),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d", False),
        (
            "postgresql://u@h/d?a=1&sslmode=require",
            "postgresql+asyncpg://u@h/d?a=1&ssl=require",
            False,
        ),
        ("sqlite:///./q.db", "sqlite+aiosqlite:///./q.db", True),
        ("sqlite+aiosqlite:////var/q.db", "sqlite+aiosqlite:////var/q.db", True),
    ],
)
def test_plain_database_addresses_are_understood(told: str, used: str, *, sqlite: bool) -> None:
    settings = make_settings(told)
    assert settings.sqlalchemy_url == used
    assert settings.is_sqlite is sqlite


def test_proxies_are_networks_in_their_one_spelling() -> None:
    told = ["10.0.0.1", "10.1.2.3/8", "FD00::1/8"]
    networks = ["10.0.0.1/32", "10.0.0.0/8", "fd00::/8"]
    assert make_settings("sqlite://", trusted_proxies=told).trusted_proxies == networks


@pytest.mark.parametrize(
    ("env", "told", "shown"),
    [
        ("development", None, True),
        ("test", "", True),
        ("production", None, False),
        ("production", "", False),
        ("production", "true", True),
        ("development", "false", False),
    ],
)
def test_docs_are_shown_outside_production_unless_told(
    env: str, told: str | None, *, shown: bool
) -> None:
    settings = make_settings("sqlite://", app_env=env, docs_public=told, allow_sandbox=True)
    assert settings.shows_docs is shown


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        make_settings("sqlite://").app_env = "production"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"APP_ENV": "test"}, "TOKEN_SECRET still has its default value"),
        ({"TOKEN_SECRET": "CANARY-short"}, "TOKEN_SECRET must be at least 32 bytes"),
        ({"APP_ENV": "production", "TOKEN_SECRET": TOKEN_SECRET}, "ALLOW_SANDBOX"),
        ({"DB_POOL_SIZE": "CANARY"}, "DB_POOL_SIZE"),
        ({"CORS_ORIGINS": "CANARY, no list"}, "cors_origins"),
        ({"TRUSTED_PROXIES": '["10.0.0.1", "CANARY"]'}, "TRUSTED_PROXIES Value error, entry 2 is"),
        ({"GATEWAY": "stripe"}, "GATEWAY=stripe needs STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "CANARY"}, "STRIPE_SECRET_KEY must begin with"),
        ({"STRIPE_WEBHOOK_SECRETS": "whsec_CANARY"}, "stripe_webhook_secrets"),
        ({"DATABASE_URL": "mysql://u:CANARY@h/d"}, "DATABASE_URL"),
    ],
)
def test_a_process_that_is_refused_says_so_in_one_line(
    environment: dict[str, str], told: str, tmp_path: Path
) -> None:
    code = "from app.settings import settings_or_exit; settings_or_exit()"
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root), **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert told in ended.stderr
    assert "CANARY" not in ended.stderr + ended.stdout
