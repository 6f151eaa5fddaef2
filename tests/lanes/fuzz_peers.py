"""Two shops side by side: what one of them calls with the other's ids must not exist for it.

Everything that a path can name is there twice. The peer is another shop's owner, then another
member; schemathesis makes their requests, and `fuzz_hooks` puts the first shop's ids into them.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from app.main import create_app
from tests.conftest import host_fault
from tests.lanes import world as lanes
from tests.policy.table import Who
from tests.policy.world import World, Yard

# Signing out ends a session; the next one is taken then.
SESSIONS = 120
PEERS: Mapping[Who, frozenset[str]] = {
    # To a shop's owner nothing of another shop exists.
    Who.FOREIGN_OWNER: frozenset(),
    # To a member shops and groups do, but not what belongs to another member.
    Who.FELLOW: frozenset({"order_id", "address_id", "after_sales_id"}),
}


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody signed in, with sessions to spare and the ids within reach.

    `guarded` are ids that must come to nothing in a path or body, and stand in no answer.
    """

    name: str
    tokens: list[str]
    ids: Mapping[str, list[str]]
    guarded: list[str] = field(default_factory=list)


@asynccontextmanager
async def two_shops(made: lanes.World) -> AsyncIterator[World]:
    """Both of them, made by this process in the database of the lane."""
    application = create_app(made.settings, webhook_host_fault=host_fault)
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        hill, other = (Yard(application, application.state.clock, client) for _ in range(2))
        yield await World(hill, other).populate()
    await application.state.database.dispose()


async def peer(found: World, who: Who) -> Role:
    """Somebody of the second shop who has got hold of the ids of the first."""
    tokens = [(await found.again(who))[0].headers["Authorization"] for _ in range(SESSIONS)]
    ids = {
        name: [str(value) for value in (found.ids[name], found.foreign[name])]
        for name in found.ids.keys() & found.foreign.keys()
        if isinstance(found.ids[name], UUID) and found.ids[name] != found.foreign[name]
    }
    names = PEERS[who] or ids.keys()
    guarded = [ids[name][0] for name in sorted(names)]
    return Role(who.value, [t.removeprefix("Bearer ") for t in tokens], ids, guarded)


async def standing(found: World, who: Who) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that the peer must leave alone: of the first shop, or of its buyer."""
    anchor = found.hill.shop_id if who is Who.FOREIGN_OWNER else found.people[Who.BUYER]
    kept = await found.contents()
    return {
        name: mine
        for name, rows in kept.items()
        if (mine := [row for row in rows if repr(anchor) in row])
    }
