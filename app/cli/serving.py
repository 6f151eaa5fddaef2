"""Running the API in this process, and finding a port to run it on."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from app.settings import Settings

# Idle keep-alive connections count too, so it stands well above what one core can serve at once.
CONNECTIONS_MAX = 2_000
KEEP_ALIVE_SECONDS = 5
SHUTDOWN_SECONDS = 8


class _AnnouncingServer(uvicorn.Server):
    """A server that says when it can be asked."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if self.started and not self.should_exit:
            self._announce()


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What every server of ours runs with."""
    return {
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "limit_concurrency": CONNECTIONS_MAX,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        # Who is believed about forwarded addresses is decided in one place, `RateLimits.address`.
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        # The application logs in its own, redacted form.
        "log_config": None,
    }


def listen(host: str, port: int, *, or_any: bool = False) -> socket.socket:
    """A listening socket on the port; on any free one instead, if that is allowed.

    Raises OSError where the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError:
        if not or_any:
            raise
        return socket.create_server((host, 0), family=family, backlog=2_048)


def run_server(
    application: Any,
    settings: Settings,
    listener: socket.socket,
    *,
    announce: Callable[[], None],
) -> None:
    """Serve until a signal ends it; Ctrl-C is an ordinary end."""
    server = _AnnouncingServer(uvicorn.Config(application, **uvicorn_options(settings)), announce)
    # The server has already come to a clean end when it passes the signal on.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
