"""What all commands share: settings or exit 2, one clear line for a refusal, a database to use."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import typer

from app.cli.texts import text
from app.core.clock import SharedTestClock, SystemClock
from app.core.db import DATABASE_ERRORS, Database
from app.core.logging import configure_logging
from app.settings import Settings, settings_or_exit
from app.wiring import WIRING

REFUSED = 1
MISUSED = 2
EPILOG = (
    "Exit codes 退出码: 0 done 成功 · 1 refused or failed 失败 · "
    "2 wrong use or settings 用法或配置错误"
)

T = TypeVar("T")


def settings_here() -> Settings:
    """The settings of the environment; one line on stderr and exit 2 where they do not hold."""
    try:
        settings = settings_or_exit()
    except SystemExit as refusal:
        fail(str(refusal.code), code=MISUSED)
    # Servers and workers choose their own level; a command's output is its outcome.
    configure_logging("debug" if settings.log_level == "debug" else "warning")
    return settings


def fail(message: str, *, code: int = REFUSED) -> NoReturn:
    """Say why on stderr and end."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def say(message: str, *, as_json: bool, **facts: Any) -> None:
    """The outcome on stdout: a sentence for people, or the facts as one JSON object."""
    typer.echo(json.dumps(facts, ensure_ascii=False, default=str) if as_json else message)


def run_on_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do the work on the database of the settings; one line where the database is away."""

    async def run() -> T:
        clock = SharedTestClock() if settings.app_env == "test" else SystemClock()
        database = Database(settings, wiring=WIRING, clock=clock)
        try:
            return await work(database)
        finally:
            await database.dispose()

    try:
        return asyncio.run(run())
    except DATABASE_ERRORS as error:
        fail_away(error)


def fail_away(error: Exception) -> NoReturn:
    """Say that the database is away, or has not our tables, without its address or any row."""
    told = str(getattr(error, "orig", None) or error).splitlines()[0][:200]
    if "no such table" in told or ("does not exist" in told and "relation" in told):
        fail(text("not_migrated"))
    fail(text("database_away", reason=told))
