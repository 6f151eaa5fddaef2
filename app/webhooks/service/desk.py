"""What the use cases need besides their transaction."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.events import Event, Wiring
from app.settings import Settings
from app.webhooks.service.sealing import Sealer

# Why no endpoint may stand at this host, or `None`; it asks the network.
HostFault = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Desk:
    """The settings, the seal of secrets, the outside world, and the time."""

    settings: Settings
    sealer: Sealer
    host_fault: HostFault
    outside: Callable[[], AbstractAsyncContextManager[None]]
    now: datetime


def kinds_of(db: AsyncSession) -> Mapping[str, type[Event]]:
    """Every kind of fact there is, by its name."""
    wiring: Wiring = db.info["wiring"]
    return wiring.kinds
