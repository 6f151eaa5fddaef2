"""`quanpu demo`: a shop to look at, and a group buy that plays itself."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer

from app.cli.migrations import upgrade
from app.cli.operators import NewOperator, make_operator
from app.cli.serving import listen, run_server
from app.cli.shared import fail, fail_away, run_on_database, say, settings_here
from app.cli.texts import terminal_language, text
from app.core.db import DATABASE_ERRORS
from app.demo.invitation import invitation
from app.demo.server import OwnServer, ServerStartError
from app.demo.story import play_story
from app.demo.telling import Teller
from app.identity.rules import PlatformRole
from app.seed import OPERATOR_EMAIL, OPERATOR_PASSWORD, SeedRefusedError, plant
from app.settings import Settings

DEMO_DATABASE = Path("demo.db")
HOST = "127.0.0.1"


def open_shop(port: int, *, reset: bool, as_json: bool) -> None:
    """Make, migrate, seed and serve ./demo.db, and say what to open."""
    if reset:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{DEMO_DATABASE}{suffix}").unlink(missing_ok=True)
        if not as_json:
            typer.echo(text("reset_done", path=DEMO_DATABASE))
    os.environ.setdefault("LOG_LEVEL", "warning")
    os.environ.update(DATABASE_URL=f"sqlite:///./{DEMO_DATABASE}", WORKER_EMBEDDED="true")
    settings = settings_here()
    _migrate(settings)
    try:
        seeded = run_on_database(settings, lambda database: plant(database, settings))
    except SeedRefusedError:
        fail(text("no_seed_in_production"))
    from app.main import create_app

    listener = listen(HOST, port, or_any=True)
    own_port = listener.getsockname()[1]
    if port not in {own_port, 0} and not as_json:
        typer.echo(text("port_taken", port=port, other=own_port))
    url = f"http://{HOST}:{own_port}"
    facts = {
        "docs": f"{url}/docs",
        "operator_email": OPERATOR_EMAIL,
        "operator_password": OPERATOR_PASSWORD,
        **seeded.facts(),
    }
    run_server(
        create_app(settings),
        settings,
        listener,
        announce=lambda: say(invitation(url, seeded), as_json=as_json, **facts),
    )
    if not as_json:
        typer.echo("\n" + text("goodbye", path=DEMO_DATABASE))


def _migrate(settings: Settings) -> None:
    try:
        asyncio.run(upgrade(settings))
    except LookupError:
        fail(text("no_migrations"))
    except DATABASE_ERRORS as error:
        fail_away(error)


def play(*, as_json: bool) -> int:
    """Play the story on a server of its own; 0 only if every figure is what it should be."""
    with tempfile.TemporaryDirectory(prefix="quanpu-demo-") as folder:
        os.environ.update(_environment(Path(folder)))
        settings = settings_here()
        _migrate(settings)
        email, password = _own_operator(settings)
        teller = Teller(terminal_language(), None if as_json else typer.echo)
        try:
            with OwnServer() as url:
                play_story(url, (email, password), teller)
        except ServerStartError as failure:
            teller.broke(str(failure))
    if as_json:
        say("", as_json=True, ok=teller.holds, faults=teller.faults, steps=teller.steps)
    return 0 if teller.holds else 1


def _environment(folder: Path) -> Mapping[str, str]:
    """The environment of the story's server: a test clock, keys of its own, one worker inside."""
    return {
        "APP_ENV": "test",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/story.db",
        "TOKEN_SECRET": secrets.token_urlsafe(48),
        "LOG_LEVEL": "error",
        "WORKER_EMBEDDED": "true",
        # The story jumps over an hour, which an ordinary token does not outlive.
        "ACCESS_TOKEN_TTL_SECONDS": "86400",
    }


def _own_operator(settings: Settings) -> tuple[str, str]:
    """A platform admin of its own, so that the story runs beside whatever the database holds."""
    email, password = f"story-{secrets.token_hex(6)}@quanpu.example", secrets.token_urlsafe(18)

    wish = NewOperator(email, password, PlatformRole.ADMIN)
    run_on_database(settings, lambda database: make_operator(database, wish))
    return email, password
