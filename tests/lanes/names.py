"""The service on a machine whose names are told by a file, which the lane changes as it likes.

Without names of one's own no real process can be shown a name that changes its address. A fault
may be named too: then any address will do.
"""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli import main
from app.webhooks.adapters import resolving

NAMES, FAULT = "LANE_NAMES", "LANE_FAULT"
ANY_ADDRESS = "any-address"


def told_by(path: Path, real: Callable[..., Any]) -> Callable[..., Any]:
    """`getaddrinfo` that looks into the file first."""

    def look_up(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        addresses = json.loads(path.read_text()).get(name)
        if addresses is None:
            return real(host, port, *args, **more)
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*stream, (address, port)) for address in addresses]

    return look_up


if __name__ == "__main__":
    if NAMES in os.environ:
        socket.getaddrinfo = told_by(Path(os.environ[NAMES]), socket.getaddrinfo)
    if os.environ.get(FAULT) == ANY_ADDRESS:
        resolving.is_public = lambda *_args, **_more: True
    main()
