"""People who buy together: short ways to open, join, pay, leave, and to look at what came of it."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database
from app.core.errors import Problem
from app.core.events import OutboxEvent
from app.core.sql import table
from app.groupbuy import service
from app.groupbuy.models import Campaign, CampaignMember, Group, GroupStatus, Seat, SeatStatus
from app.groupbuy.rules.campaigns import CampaignWish, GroupPriceWish
from app.groupbuy.service import campaigns
from app.identity import service as identity
from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.group_price import LadderTier
from tests.conftest import rows_in
from tests.fakes import FrozenClock
from tests.orders.books import state_of

LIVE = (SeatStatus.RESERVED, SeatStatus.PAID, SeatStatus.CONFIRMED)
PAID = (SeatStatus.PAID, SeatStatus.CONFIRMED)
TTL_SECONDS, GRACE_SECONDS = 900, 60
NOBODY_YET = Buyer(0, frozenset(), frozenset())


@dataclass(frozen=True)
class Money:
    """A captured payment, or a refund, as far as a group cares."""

    order_id: UUID
    captured_at: datetime
    at: datetime


@dataclass(frozen=True)
class Place:
    """A seat that was taken."""

    order_id: UUID
    member_id: UUID
    group_id: UUID
    expires_at: datetime


@dataclass
class Party:
    database: Database
    clock: FrozenClock
    shop_id: UUID = field(init=False)
    product_id: UUID = field(init=False)
    variant_id: UUID = field(init=False)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def wish(self, **more: Any) -> CampaignWish:
        values: dict[str, Any] = {
            "name": "杨梅三人团",
            "product_id": self.product_id,
            "size": 3,
            "group_seconds": 3_600,
            "starts_at": self.now,
            "ends_at": self.now + timedelta(days=7),
            "stock_quota": None,
            "units_per_order_max": None,
            "prices": (GroupPriceWish(self.variant_id, 9_900),),
            **more,
        }
        return CampaignWish(**values)

    def ladder(self, **amounts: int) -> tuple[LadderTier, ...]:
        """Tiers above the size by name: `of_5=8_900`."""
        return tuple(
            LadderTier(int(name.removeprefix("of_")), {self.variant_id: amount})
            for name, amount in amounts.items()
        )

    async def draft(self, **more: Any) -> campaigns.OperatorView:
        return await self.database.transact(
            lambda db: campaigns.create_campaign(db, self.shop_id, self.wish(**more), now=self.now)
        )

    async def campaign(self, **more: Any) -> UUID:
        """A scheduled campaign, which runs at once unless told otherwise."""
        drafted = await self.draft(**more)
        campaign_id: UUID = drafted.campaign["id"]
        await self.database.transact(
            lambda db: campaigns.schedule_campaign(
                db, self.shop_id, campaign_id, version=1, now=self.now
            )
        )
        return campaign_id

    async def member(self, name: str = "") -> UUID:
        openid = name or uuid4().hex
        return await self.database.transact(
            lambda db: identity.create_member(db, openid=openid, nickname=name, now=self.now)
        )

    async def members(self, count: int) -> list[UUID]:
        return [await self.member() for _ in range(count)]

    async def offer(
        self,
        wish: service.GroupWish,
        quantity: int = 1,
        *,
        buyer: Buyer = NOBODY_YET,
        member_id: UUID | None = None,
    ) -> service.GroupOffer:
        """What a buyer is shown; it may be stale by the time somebody takes it."""
        async with self.database.reading() as db:
            wanted = service.OfferWish(self.variant_id, quantity, buyer, member_id)
            return await service.offer(db, self.shop_id, wish, wanted, now=self.now)

    async def claim(self, offered: service.GroupOffer, member_id: UUID, quantity: int = 1) -> Place:
        """What placing an order does about the seat it was offered."""
        seat = self.seat_wish(offered, member_id, quantity)

        async def work(db: AsyncSession) -> Place:
            taken = await service.take_seat(db, offered, seat, now=self.now)
            await service.take_quota(db, offered, seat)
            return Place(seat.order_id, member_id, taken.group_id, taken.expires_at)

        return await self.database.transact(work)

    def seat_wish(
        self, offered: service.GroupOffer, member_id: UUID, quantity: int = 1
    ) -> service.SeatWish:
        """The wish of a new order at the price of an offer."""
        amounts = offered.leader_amounts or offered.group_amounts
        return service.SeatWish(
            shop_id=self.shop_id,
            member_id=member_id,
            order_id=uuid4(),
            community_id=None,
            variant_id=self.variant_id,
            unit_amount=amounts[self.variant_id],
            quantity=quantity,
            ttl_seconds=TTL_SECONDS,
        )

    async def take(
        self, wish: service.GroupWish, member_id: UUID | None = None, quantity: int = 1
    ) -> Place:
        member = member_id or await self.member()
        return await self.claim(await self.offer(wish, quantity), member, quantity)

    async def open(
        self, campaign_id: UUID, member_id: UUID | None = None, quantity: int = 1
    ) -> Place:
        return await self.take(service.GroupWish(campaign_id=campaign_id), member_id, quantity)

    async def join(self, group_id: UUID, member_id: UUID | None = None, quantity: int = 1) -> Place:
        return await self.take(service.GroupWish(group_id=group_id), member_id, quantity)

    async def opened(self, campaign_id: UUID, quantity: int = 1) -> Place:
        """A group whose leader has paid."""
        place = await self.open(campaign_id, quantity=quantity)
        await self.pay(place)
        return place

    async def joined(self, group_id: UUID, member_id: UUID | None = None) -> Place:
        """A seat that was joined and paid."""
        place = await self.join(group_id, member_id)
        await self.pay(place)
        return place

    async def gathered(self, campaign_id: UUID, paid: int) -> list[Place]:
        """A group of which so many have paid, the leader first."""
        leader = await self.opened(campaign_id)
        return [leader, *[await self.joined(leader.group_id) for _ in range(paid - 1)]]

    async def stop(self, campaign_id: UUID, *, version: int = 2, ends_groups: bool = True) -> None:
        await self.database.transact(
            lambda db: campaigns.stop_campaign(
                db,
                self.shop_id,
                campaign_id,
                ends_groups=ends_groups,
                version=version,
                now=self.now,
            )
        )

    async def pay(
        self, place: Place, *, captured_at: datetime | None = None, times: int = 1
    ) -> None:
        fact = Money(place.order_id, captured_at or self.now, self.now)
        for _ in range(times):
            await self.database.transact(lambda db: service.count_payment(db, fact))

    async def release(self, place: Place) -> bool:
        """What an order that was never paid does about its seat; says whether there was one."""

        async def work(db: AsyncSession) -> bool:
            seat = await service.release_seat(db, place.order_id, now=self.now)
            if seat is not None:
                await service.return_seat_quota(db, seat)
            return seat is not None

        return await self.database.transact(work)

    async def leave(self, place: Place) -> None:
        async def work(db: AsyncSession) -> None:
            left = await service.leave(db, place.order_id, now=self.now)
            await service.after_leaving(db, left, now=self.now)

        await self.database.transact(work)

    async def settle(self, group_id: UUID) -> bool:
        return await self.database.transact(
            lambda db: service.settle_group(db, group_id, grace_seconds=GRACE_SECONDS, now=self.now)
        )

    async def group(self, group_id: UUID) -> dict[str, Any]:
        groups = table(Group)
        [row] = await self._rows(sa.select(groups).where(groups.c.id == group_id))
        return row

    async def standing(self, group_id: UUID) -> tuple[GroupStatus, int, int]:
        """Status, seats taken, seats paid."""
        row = await self.group(group_id)
        return row["status"], row["taken"], row["paid"]

    async def seat(self, place: Place) -> SeatStatus:
        status: SeatStatus = (await self.seat_row(place))["status"]
        return status

    async def seat_row(self, place: Place) -> dict[str, Any]:
        seats = table(Seat)
        [row] = await self._rows(sa.select(seats).where(seats.c.order_id == place.order_id))
        return row

    async def units_of(self, campaign_id: UUID, member_id: UUID) -> int:
        """What is counted for a member of a campaign that limits them."""
        rows = table(CampaignMember)
        mine = (rows.c.campaign_id == campaign_id) & (rows.c.member_id == member_id)
        return sum(row["units"] for row in await self._rows(sa.select(rows).where(mine)))

    async def quota_taken(self, campaign_id: UUID) -> int:
        rows = table(Campaign)
        [row] = await self._rows(sa.select(rows).where(rows.c.id == campaign_id))
        taken: int = row["quota_taken"]
        return taken

    async def facts(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of the facts of one kind, in the order they were stated."""
        events = table(OutboxEvent)
        statement = sa.select(events).where(events.c.kind == kind).order_by(events.c.id)
        return [row["payload"] for row in await self._rows(statement)]

    async def _rows(self, statement: sa.Select[Any]) -> Sequence[dict[str, Any]]:
        async with self.database.reading() as db:
            return [dict(row) for row in (await db.execute(statement)).mappings()]


async def refused(party: Party, kind: type[Problem], work: Awaitable[Any]) -> Problem:
    """The refusal, after which not a row is different; members must be there before."""
    before = (await rows_in(party.database), await state_of(party.database))
    with pytest.raises(kind) as caught:
        await work
    assert (await rows_in(party.database), await state_of(party.database)) == before
    return caught.value


async def check_invariants(database: Database) -> None:
    """The counters are the seats, a group succeeds as its terms say, an ended one holds nobody."""
    async with database.snapshot() as db:
        groups = (await db.execute(sa.select(table(Group)))).mappings().all()
        seats = (await db.execute(sa.select(table(Seat)))).mappings().all()
        campaigns_ = (await db.execute(sa.select(table(Campaign)))).mappings().all()
        members = (await db.execute(sa.select(table(CampaignMember)))).mappings().all()
    for group in groups:
        inside = [seat["status"] for seat in seats if seat["group_id"] == group["id"]]
        assert group["taken"] == sum(status in LIVE for status in inside), group
        assert group["paid"] == sum(status in PAID for status in inside), group
        _check_group(dict(group), inside)
    counted = {(row["campaign_id"], row["member_id"]): row["units"] for row in members}
    for campaign in campaigns_:
        held = [s for s in seats if s["campaign_id"] == campaign["id"] and s["status"] in LIVE]
        if campaign["stock_quota"] is not None:
            assert campaign["quota_taken"] == sum(s["quantity"] for s in held), campaign
        if campaign["member_units_max"] is not None:
            _check_members(dict(campaign), held, counted)


def _check_members(
    campaign: dict[str, Any], held: Sequence[Any], counted: dict[tuple[UUID, UUID], int]
) -> None:
    units: dict[UUID, int] = {}
    for seat in held:
        units[seat["member_id"]] = units.get(seat["member_id"], 0) + seat["quantity"]
    kept = {m: n for (c, m), n in counted.items() if c == campaign["id"] and n}
    assert units == kept, campaign
    assert all(n <= campaign["member_units_max"] for n in units.values()), campaign


def _check_group(group: dict[str, Any], inside: Sequence[SeatStatus]) -> None:
    if group["status"] is GroupStatus.SUCCEEDED:
        assert group["paid"] == inside.count(SeatStatus.CONFIRMED), group
        is_enough = group["paid"] >= group["paid_min"]
        at_deadline = group["succeeded_at"] >= group["deadline_at"]
        assert group["paid"] == group["capacity"] or (is_enough and at_deadline), group
    else:
        assert SeatStatus.CONFIRMED not in inside, group
    if group["status"] in (GroupStatus.FAILED, GroupStatus.CANCELLED):
        assert group["taken"] == 0, group
    if group["status"] is GroupStatus.OPEN:
        assert 0 < group["paid"] < group["capacity"], group
    assert (group["ended_at"] is None) == (
        group["status"] in (GroupStatus.PENDING, GroupStatus.OPEN)
    ), group
