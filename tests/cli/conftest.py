"""The command line in this process, away from this checkout's settings, on databases of its own."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli.commands import cli
from app.cli.shared import run_on_database
from app.core.db import Database
from app.settings import Settings
from tests.conftest import own_postgresql

T = TypeVar("T")
Quanpu = Callable[..., Result]
OWN_SETTINGS = tuple(name.upper() for name in Settings.model_fields)


@pytest.fixture(autouse=True)
def clean_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An English terminal in an empty folder, without settings; logging is put back."""
    for name in (*OWN_SETTINGS, "LC_ALL", "LC_MESSAGES", "QUANPU_OPERATOR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def quanpu() -> Quanpu:
    """Runs `quanpu …` and gives what it said and its exit code."""

    def run(*words: str, **environment: str) -> Result:
        return CliRunner().invoke(cli, words, env=dict(environment))

    return run


@pytest.fixture
async def empty_url(backend: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database without any table."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path}/cli.db"
        return
    async with own_postgresql([], is_durable=True) as url:
        yield url


def look_into(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """What a test sees in the database that a command worked on."""
    settings = Settings(_env_file=None, database_url=url)  # type: ignore[call-arg,arg-type]
    return run_on_database(settings, work)
