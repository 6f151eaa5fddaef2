"""A shop's facts as messages, for whoever fetches them instead of being sent them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import made_before
from app.webhooks.models import EVERY_KIND
from app.webhooks.repository import facts
from app.webhooks.service.endpoints import checked_kinds
from app.webhooks.service.messages import message_of

# A fact gets its id shortly before its commit: until then a later one may be seen already. What
# is older than this has been committed, or never will be.
SETTLED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a client has come: to `at`, and up to `floor` nothing can come in any more."""

    at: UUID | None = None
    floor: UUID | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Messages in their order, and the place to go on from; `has_more` when they go on at once."""

    messages: Sequence[dict[str, Any]]
    place: Place
    has_more: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """From where on, or since when, which kinds, and how many at most."""

    after: Place
    since: datetime | None
    kinds: Sequence[str]
    limit: int


async def list_events(db: AsyncSession, shop_id: UUID, asked: Asked) -> Listing:
    """Facts in the order of their ids, some of them perhaps again, none of them left out.

    At the end of the list the place to go on from is a little before it, where nothing can come in
    between any more: the last facts are told again, with the same ids. However many pages led
    there, it is not beyond what was settled when the first of them was told.
    """
    kinds = checked_kinds(db, asked.kinds)
    # Before the facts are read: what is settled by then is among them.
    settled = settled_before()
    floor = asked.after.floor or max(settled, asked.after.at or settled)
    found = await facts.page(
        db,
        shop_id,
        [] if kinds == [EVERY_KIND] else kinds,
        after=asked.after.at,
        since=asked.since,
        rows_max=asked.limit + 1,
    )
    told = found[: asked.limit]
    messages = [message_of(fact) for fact in told]
    if len(found) > len(told):
        return Listing(messages, Place(told[-1]["id"], floor), has_more=True)
    # The next round begins at the floor of this one.
    return Listing(messages, Place(floor), has_more=False)


def settled_before() -> UUID:
    """Facts with smaller ids are all there; ids begin with the milliseconds they were made in."""
    return made_before(SETTLED_AFTER)
