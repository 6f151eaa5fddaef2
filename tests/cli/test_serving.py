"""How the server runs: what it must leave to the application."""

from typing import Any

import uvicorn

from app.cli.serving import uvicorn_options
from tests.conftest import make_settings


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


def test_only_the_application_reads_forwarded_addresses() -> None:
    """Two readers with rules of their own would disagree about who knocks."""
    settings = make_settings("sqlite://", trusted_proxies=["10.0.0.0/8"])
    config = uvicorn.Config(_application, **uvicorn_options(settings))
    config.load()
    assert config.loaded_app is _application
