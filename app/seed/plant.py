"""Planting the seed: the ground, the month behind us, and one group that waits for one more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.catalog.rules import Wanted
from app.core.db import Database
from app.core.http.paging import Paging
from app.core.outbox import Deliverer
from app.core.security import Tokens
from app.groupbuy.errors import AlreadyInGroup
from app.groupbuy.service import GroupWish, pages
from app.identity.adapters.passwords import Passwords
from app.seed import ground as grounds
from app.seed.goods import BAYBERRIES, GROUP_SIZE
from app.seed.history import DAYS, Purchase, Shopper, join_all, live_through
from app.seed.planting import Ground, Planting
from app.settings import Settings
from app.wiring import WIRING

OPERATOR_EMAIL = "owner@quanpu.example"
# Known to everybody, which is why the seed is refused in production.
OPERATOR_PASSWORD = "quiet-lake-at-dawn"  # noqa: S105
OPENED_AGO = timedelta(minutes=40)
WORTH_JOINING = timedelta(minutes=5)


class SeedRefusedError(Exception):
    """The seed has known passwords and has no place in production."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a visitor needs to know of the seeded shop."""

    shop_id: UUID
    variant_id: UUID
    campaign_id: UUID
    group_id: UUID
    minutes_left: int
    products: int
    members: int
    orders: int
    added: int

    def facts(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


async def plant(database: Database, settings: Settings, *, days: int = DAYS) -> Seeded:
    """Make what is not there yet; a second run finds everything and changes nothing.

    Only the waiting group is opened anew once its time has run out.
    """
    if settings.app_env == "production":
        raise SeedRefusedError
    async with database.reading() as db:
        await database.clock.sync(db)
    planting = Planting(database, settings, Tokens(settings), database.clock.now())
    ground = await grounds.find(planting)
    if ground is None:
        password_hash = await Passwords().hash(OPERATOR_PASSWORD)
        ground = await grounds.make(planting, password_hash, OPERATOR_EMAIL)
    orders, added = await live_through(planting, ground, days)
    group_id, deadline_at, opened = await _waiting_group(planting, ground)
    if added or opened:
        await _hear_all(database)
    return Seeded(
        shop_id=ground.shop_id,
        variant_id=ground.variant_ids[BAYBERRIES],
        campaign_id=ground.campaign_id,
        group_id=group_id,
        minutes_left=int((deadline_at - planting.now).total_seconds()) // 60,
        products=len(ground.variant_ids),
        members=len(ground.member_ids),
        orders=orders + opened,
        added=added + opened,
    )


async def _hear_all(database: Database) -> None:
    """Deliver the facts of the month: they are old, and would look like a worker that is stuck."""
    deliverer = Deliverer(database, WIRING)
    while await deliverer.run_once():
        pass


async def _waiting_group(planting: Planting, ground: Ground) -> tuple[UUID, datetime, int]:
    """A group that is one member short, its deadline, and how many orders it took to have it."""
    found = await _one_short(planting, ground)
    if found is not None:
        return *found, 0
    await _open_one(planting, ground)
    found = await _one_short(planting, ground)
    if found is None:
        raise RuntimeError("the group just opened is not there")
    return *found, GROUP_SIZE - 1


async def _one_short(planting: Planting, ground: Ground) -> tuple[UUID, datetime] | None:
    async with planting.database.reading() as db:
        paging = Paging(100, None, planting.tokens, "seed")
        waiting = await pages.open_groups(db, ground.campaign_id, None, paging, now=planting.now)
    for row in waiting.rows:
        is_short = row["paid"] == row["taken"] == GROUP_SIZE - 1
        if is_short and row["deadline_at"] > planting.now + WORTH_JOINING:
            return row["id"], row["deadline_at"]
    return None


async def _open_one(planting: Planting, ground: Ground) -> None:
    """Members who still sit in an older group cannot open one; the next ones can."""
    shopper = Shopper(planting, ground)
    lines = (Wanted(ground.variant_ids[BAYBERRIES], 1),)
    campaign = GroupWish(campaign_id=ground.campaign_id)
    for first in range(0, len(ground.member_ids) - 1, GROUP_SIZE - 1):
        leader, *partners = ground.member_ids[first : first + GROUP_SIZE - 1]
        purchase = Purchase(planting.now - OPENED_AGO, leader, lines)
        try:
            group_id = await shopper.buy(purchase, campaign, is_complete=False)
            await join_all(shopper, purchase, group_id, partners)
        except AlreadyInGroup:
            continue
        return
