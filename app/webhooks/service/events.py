"""A shop's facts as messages, for whoever fetches them instead of being sent them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.webhooks.models import EVERY_KIND
from app.webhooks.repository import facts
from app.webhooks.service.endpoints import checked_kinds
from app.webhooks.service.messages import message_of

# A fact gets its id shortly before its commit: until then a later one may be seen already. What
# is older than this has been committed, or never will be.
SETTLED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Listing:
    """Messages in their order, and the place to go on from; `has_more` when they go on at once."""

    messages: Sequence[dict[str, Any]]
    next_after: UUID | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """From where on, or since when, which kinds, and how many at most."""

    after: UUID | None
    since: datetime | None
    kinds: Sequence[str]
    limit: int


async def list_events(db: AsyncSession, shop_id: UUID, asked: Asked) -> Listing:
    """Facts in the order of their ids, some of them perhaps again, none of them left out.

    At the end of the list the place to go on from is a little before it, where nothing can come in
    between any more: the last facts are told again, with the same ids.
    """
    kinds = checked_kinds(db, asked.kinds)
    found = await facts.page(
        db,
        shop_id,
        [] if kinds == [EVERY_KIND] else kinds,
        after=asked.after,
        since=asked.since,
        rows_max=asked.limit + 1,
    )
    told = found[: asked.limit]
    has_more = len(found) > len(told)
    messages = [message_of(fact) for fact in told]
    if has_more:
        return Listing(messages, told[-1]["id"], has_more=True)
    settled = settled_before()
    # Not beyond what was told: with `since`, or at the start, there may be nothing to go by.
    places = [fact["id"] for fact in told if fact["id"] < settled]
    return Listing(messages, places[-1] if places else asked.after, has_more=False)


def settled_before() -> UUID:
    """Facts with smaller ids are all there; ids begin with the milliseconds they were made in."""
    milliseconds = int(SETTLED_AFTER.total_seconds() * 1000)
    return UUID(int=((new_id().int >> 80) - milliseconds) << 80)
