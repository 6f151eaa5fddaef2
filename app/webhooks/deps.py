"""What the routes of webhooks hand to the use cases."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Now
from app.core.db import Db
from app.core.errors import InvalidCursor
from app.core.http.route import GoOutside
from app.core.security import Tokens
from app.webhooks.service import Place
from app.webhooks.service.desk import Desk


@dataclass(frozen=True, slots=True)
class AtDesk:
    """The transaction of a request, and what its use case needs besides."""

    db: AsyncSession
    desk: Desk


@dataclass(frozen=True, slots=True)
class Places:
    """Places in the list of a shop's events, as clients carry them and cannot make them."""

    tokens: Tokens
    purpose: str

    def seal(self, place: Place) -> str | None:
        """The place as text; none for the place before all events."""
        if place.at is None:
            return None
        ids = [str(each) for each in (place.at, place.floor) if each is not None]
        return self.tokens.seal(self.purpose, ids)

    def read(self, told: str | None) -> Place:
        """The place that was told; `InvalidCursor` for one that was not made here."""
        if told is None:
            return Place()
        try:
            return Place(*map(UUID, self.tokens.unseal(self.purpose, told)))
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidCursor from error


async def _desk(request: Request, outside: GoOutside, now: Now) -> Desk:
    state = request.app.state
    return Desk(state.settings, state.webhook_sealer, state.webhook_host_fault, outside, now)


DeskIn = Annotated[Desk, Depends(_desk)]


async def _at_desk(db: Db, desk: DeskIn) -> AtDesk:
    return AtDesk(db, desk)


async def _places(request: Request, shop_id: UUID) -> Places:
    return Places(request.app.state.tokens, f"webhook-events:{shop_id}")


AtDeskIn = Annotated[AtDesk, Depends(_at_desk)]
PlacesIn = Annotated[Places, Depends(_places)]
