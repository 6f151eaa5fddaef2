"""Stand-ins for the outside world: time that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession


class FrozenClock:
    """A clock that moves by hand; satisfies `app.core.clock.Clock`."""

    offset_seconds = 0.0
    moved_by_tests = True

    def __init__(self, at: datetime = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    async def sync(self, db: AsyncSession) -> None:
        return None

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)
