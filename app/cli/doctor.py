"""What `quanpu doctor` looks at: database, migrations, durability, clock, keys and worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from app.cli.migrations import newest_revision, revision_of
from app.core.db import DATABASE_ERRORS, Database, unsafe_settings
from app.core.jobs import last_beat
from app.core.system import CLOCK_OFFSET_MAX_SECONDS
from app.settings import DEVELOPMENT_SECRET, SECRET_BYTES_MIN, Settings

BEAT_FRESH = timedelta(seconds=30)
# A secret of so few different characters was typed, not drawn.
SECRET_VARIETY_MIN = 10


class Verdict(StrEnum):
    """How a check went: `fail` must be mended before serving, `warn` may be meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    verdict: Verdict
    detail: str


async def examine(settings: Settings, database: Database) -> list[Finding]:
    """All checks; the later ones that need the database are left out when it is away."""
    found = [await _database(settings, database), _keys(settings)]
    if found[0].verdict is Verdict.FAIL:
        return found
    checks: tuple[Callable[[Settings, Database], Awaitable[Finding]], ...] = (
        _migrations,
        _durability,
        _clock,
        _worker,
    )
    return [*found, *[await check(settings, database) for check in checks]]


async def _database(settings: Settings, database: Database) -> Finding:
    kind = "sqlite" if settings.is_sqlite else "postgresql"
    try:
        async with database.reading() as db:
            await db.connection()
    except DATABASE_ERRORS as error:
        return Finding("database", Verdict.FAIL, f"{kind}: {type(error).__name__}")
    return Finding("database", Verdict.OK, kind)


def _keys(settings: Settings) -> Finding:
    secret = settings.token_secret.get_secret_value()
    if secret == DEVELOPMENT_SECRET:
        return Finding("keys", Verdict.WARN, "TOKEN_SECRET is the development default")
    if len(set(secret)) < SECRET_VARIETY_MIN:
        verdict = Verdict.FAIL if settings.app_env == "production" else Verdict.WARN
        return Finding("keys", verdict, "TOKEN_SECRET repeats few characters; draw a random one")
    return Finding("keys", Verdict.OK, f"TOKEN_SECRET has {SECRET_BYTES_MIN} bytes or more")


async def _migrations(_settings: Settings, database: Database) -> Finding:
    try:
        newest = newest_revision()
    except LookupError as error:
        return Finding("migrations", Verdict.FAIL, f"{error} was not found")
    async with database.reading() as db:
        current = await (await db.connection()).run_sync(revision_of)
    verdict = Verdict.OK if current == newest else Verdict.FAIL
    return Finding("migrations", verdict, f"{current} of {newest}")


async def _durability(settings: Settings, database: Database) -> Finding:
    async with database.reading() as db:
        unsafe = await unsafe_settings(db)
    if unsafe:
        verdict = Verdict.FAIL if settings.app_env == "production" else Verdict.WARN
        told = f"{', '.join(unsafe)}: a crash may lose orders that were confirmed to buyers"
        return Finding("durability", verdict, told)
    return Finding("durability", Verdict.OK, "what was answered outlives a crash")


async def _clock(_settings: Settings, database: Database) -> Finding:
    clock = database.clock
    try:
        async with database.reading() as db:
            await clock.sync(db)
    except SQLAlchemyError:
        return Finding("clock", Verdict.FAIL, "the clock's table is missing")
    told = f"{round(clock.offset_seconds * 1000)} ms"
    if clock.moved_by_tests:
        return Finding("clock", Verdict.OK, f"{told}, set by tests")
    far = abs(clock.offset_seconds) > CLOCK_OFFSET_MAX_SECONDS
    return Finding("clock", Verdict.FAIL if far else Verdict.OK, told)


async def _worker(settings: Settings, database: Database) -> Finding:
    absent = Verdict.FAIL if settings.app_env == "production" else Verdict.WARN
    try:
        async with database.reading() as db:
            at = await last_beat(db)
    except SQLAlchemyError:
        return Finding("worker", absent, "the heartbeat's table is missing")
    if at is None:
        return Finding("worker", absent, "no worker has ever run here")
    age = database.clock.now() - at
    verdict = Verdict.OK if age <= BEAT_FRESH else absent
    return Finding("worker", verdict, f"last heard {max(0, round(age.total_seconds()))} s ago")
