"""The doctor: each check seen to say ok, and seen to complain."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.cli.doctor import Verdict, examine
from app.core.db import Database, unsafe_settings
from app.core.ids import new_id
from app.core.jobs import beat
from app.settings import Settings
from tests.cli.conftest import Quanpu
from tests.conftest import make_settings
from tests.core.conftest import NOTHING_WIRED
from tests.fakes import FrozenClock

GOOD_SECRET = "vB7xkQ2mYz9LhT4cW1nRf6sJd8pGa3eU"


def checks(quanpu: Quanpu, url: str, **environment: str) -> tuple[int, dict[str, str]]:
    told = quanpu("doctor", "--json", DATABASE_URL=url, **environment)
    found = {c["check"]: c["verdict"] for c in json.loads(told.stdout)["checks"]}
    return told.exit_code, found


def test_a_database_that_is_away_fails(quanpu: Quanpu) -> None:
    code, found = checks(quanpu, "postgresql://nobody@127.0.0.1:1/none", TOKEN_SECRET=GOOD_SECRET)
    assert (code, found) == (1, {"database": "fail", "keys": "ok"})


def test_migrations_fail_until_they_ran(quanpu: Quanpu, empty_url: str) -> None:
    code, found = checks(quanpu, empty_url)
    assert (code, found["migrations"], found["worker"]) == (1, "fail", "warn")
    quanpu("migrate", DATABASE_URL=empty_url)
    code, found = checks(quanpu, empty_url, TOKEN_SECRET=GOOD_SECRET)
    assert code == 0
    assert found == {
        "database": "ok",
        "keys": "ok",
        "migrations": "ok",
        "durability": "ok",
        "clock": "ok",
        "worker": "warn",
    }


def test_people_read_one_line_for_each_check(quanpu: Quanpu, empty_url: str) -> None:
    told = quanpu("doctor", DATABASE_URL=empty_url, LANG="zh_CN.UTF-8")
    assert told.exit_code == 1
    lines = told.stdout.splitlines()
    assert lines[0].startswith("ok    数据库")
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("secret", "environment", "verdict"),
    [
        (GOOD_SECRET, "production", Verdict.OK),
        ("ab" * 20, "production", Verdict.FAIL),
        ("ab" * 20, "test", Verdict.WARN),
    ],
)
async def test_keys_that_were_typed_are_seen(
    settings: Settings, database: Database, secret: str, environment: str, verdict: Verdict
) -> None:
    judged = settings.model_copy(
        update={"token_secret": type(settings.token_secret)(secret), "app_env": environment}
    )
    found = {f.check: f.verdict for f in await examine(judged, database)}
    assert found["keys"] is verdict


async def test_the_default_secret_is_warned_about(quanpu: Quanpu, database: Database) -> None:
    defaults = Settings(_env_file=None)  # type: ignore[call-arg]
    found = {f.check: f.verdict for f in await examine(defaults, database)}
    assert found["keys"] is Verdict.WARN


@pytest.mark.parametrize(("age_seconds", "verdict"), [(5, Verdict.OK), (31, Verdict.FAIL)])
async def test_a_worker_is_missed_when_it_falls_silent(
    database: Database, database_url: str, clock: FrozenClock, age_seconds: int, verdict: Verdict
) -> None:
    at = clock.now() - timedelta(seconds=age_seconds)
    await database.transact(lambda db: beat(db, new_id(), at))
    production = make_settings(database_url, app_env="production", allow_sandbox=True)
    found = {f.check: f.verdict for f in await examine(production, database)}
    assert found["worker"] is verdict


@pytest.mark.parametrize(
    ("environment", "verdict"), [("production", Verdict.FAIL), ("test", Verdict.WARN)]
)
async def test_a_server_that_forgets_what_it_confirmed_is_seen(
    backend: str, database: Database, database_url: str, environment: str, verdict: Verdict
) -> None:
    if backend != "postgresql":
        pytest.skip("on SQLite each connection sees to it itself")
    judged = make_settings(database_url, app_env=environment, allow_sandbox=True)
    hasty = Database(judged, wiring=NOTHING_WIRED, clock=database.clock)
    async with hasty.reading() as db:
        await db.execute(sa.text("SET synchronous_commit = off"))
        assert await unsafe_settings(db) == ["synchronous_commit=off"]
    (found,) = [f for f in await examine(judged, hasty) if f.check == "durability"]
    await hasty.dispose()
    assert (found.verdict, found.detail.partition(":")[0]) == (verdict, "synchronous_commit=off")


@pytest.mark.parametrize(("offset", "verdict"), [(1.9, Verdict.OK), (-2.1, Verdict.FAIL)])
async def test_clocks_that_differ_are_seen(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    offset: float,
    verdict: Verdict,
) -> None:
    monkeypatch.setattr(database.clock, "offset_seconds", offset)
    monkeypatch.setattr(database.clock, "moved_by_tests", False)
    found = {f.check: f.verdict for f in await examine(settings, database)}
    assert found["clock"] is verdict
