"""Thirty days of orders, bought as members buy: quoted, placed, paid, shipped and received."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import Wanted
from app.groupbuy.service import GroupWish
from app.identity.service import Address
from app.orders import service as orders
from app.orders.service import BasketWish, PlaceWish
from app.orders.service.read import OrderBrief
from app.payments import service as payments
from app.payments.adapters.sandbox import SUCCESS, SandboxGateway
from app.payments.gateway import ChargeWish
from app.payments.service import NewPayment
from app.seed.goods import ARTICLES, BAYBERRIES, GROUP_SIZE
from app.seed.planting import Ground, Planting, read_all

DAYS = 30
ORDERS_A_DAY = 3
GROUP_EVERY_DAYS = 6
SHIPPED_AFTER = timedelta(hours=20)
# The last day's parcels are left for the operator to ship.
PACKED_WITHIN = timedelta(days=2)
RECEIVED_AFTER = timedelta(days=3)
JOINED_AFTER = timedelta(minutes=9)
QUOTE_TTL_SECONDS = 600
# Always the same month, so that a run that was cut off can be taken up.
_DICE = 20_260_618
_ADDRESS = Address(
    recipient="林小禾",
    phone="13800000000",
    province="浙江省",
    city="台州市",
    district="仙居县",
    street="福应街道",
    detail="环城南路 1 号",
    postal_code=None,
)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Who buys what, when; `partners` make it a group of bayberries."""

    at: datetime
    member_id: UUID
    lines: tuple[Wanted, ...]
    partners: tuple[UUID, ...] = ()


def plan(ground: Ground, days: int = DAYS) -> Iterator[Purchase]:
    """The purchases of the month, oldest first; the same for the same shop."""
    dice = random.Random(_DICE)
    for number in range(days):
        day = ground.opened_at + timedelta(days=number)
        # Nine in the morning to nine in the evening, in the shop's time zone.
        hours = sorted(dice.randrange(60, 780) for _ in range(ORDERS_A_DAY))
        for minute in hours:
            yield Purchase(
                day + timedelta(minutes=minute),
                dice.choice(ground.member_ids),
                _lines(dice, ground),
            )
        if number % GROUP_EVERY_DAYS == 0:
            leader, *partners = dice.sample(ground.member_ids, GROUP_SIZE)
            lines = (Wanted(ground.variant_ids[BAYBERRIES], 1),)
            yield Purchase(day + timedelta(minutes=790), leader, lines, tuple(partners))


def _lines(dice: random.Random, ground: Ground) -> tuple[Wanted, ...]:
    picked = dice.sample(ARTICLES, dice.choice((1, 1, 2)))
    return tuple(Wanted(ground.variant_ids[a.sku], dice.choice((1, 1, 2))) for a in picked)


async def live_through(planting: Planting, ground: Ground, days: int) -> tuple[int, int]:
    """Make the purchases that are not there yet; how many orders there are, and how many new."""
    async with planting.database.reading() as db:
        rows: list[OrderBrief] = await read_all(
            db,
            planting.tokens,
            lambda db, page: orders.orders_of_shop(db, ground.shop_id, {}, page),
        )
    known = {(row.order["member_id"], row.order["placed_at"]) for row in rows}
    shopper = Shopper(planting, ground)
    added = 0
    for purchase in plan(ground, days):
        if (purchase.member_id, purchase.at) not in known:
            added += await _make(shopper, purchase)
    return len(rows) + added, added


async def _make(shopper: "Shopper", purchase: Purchase) -> int:
    if not purchase.partners:
        await shopper.buy(purchase, None)
        return 1
    campaign = GroupWish(campaign_id=shopper.ground.campaign_id)
    group_id = await shopper.buy(purchase, campaign, is_complete=False)
    await join_all(shopper, purchase, group_id, purchase.partners)
    return 1 + len(purchase.partners)


async def join_all(
    shopper: "Shopper", opened: Purchase, group_id: UUID | None, partners: Sequence[UUID]
) -> None:
    """Let each of the partners join the group a little later."""
    at = opened.at
    for number, partner in enumerate(partners, start=2):
        at += JOINED_AFTER
        joined = replace(opened, at=at, member_id=partner)
        complete = number == GROUP_SIZE
        await shopper.buy(joined, GroupWish(group_id=group_id), is_complete=complete)


class Shopper:
    """Buys on a member's behalf at a time of the past, by the verbs that routes and jobs use."""

    def __init__(self, planting: Planting, ground: Ground) -> None:
        self.planting = planting
        self.ground = ground
        database, settings = planting.database, planting.settings
        self._database = database
        self._gateway = SandboxGateway(database, delay_seconds=settings.sandbox_delay_seconds)

    async def buy(
        self, purchase: Purchase, group: GroupWish | None, *, is_complete: bool = True
    ) -> UUID | None:
        """Order and pay, then ship and receive as far as time has gone; the group bought in."""
        at = purchase.at
        basket = BasketWish(
            self.ground.shop_id, purchase.lines, group, community_id=self.ground.community_id
        )

        async def place(db: AsyncSession) -> UUID:
            return await self._place(db, purchase.member_id, basket, at)

        order_id = await self._database.transact(place)

        async def open_payment(db: AsyncSession) -> ChargeWish:
            row = (await orders.order_of_member(db, purchase.member_id, order_id)).order
            wish = NewPayment(
                shop_id=row["shop_id"],
                order_id=order_id,
                amount=row["total_amount"],
                currency=row["currency"],
                gateway=self._gateway.name,
                token=SUCCESS,
                attempt=f"seed:{order_id}",
            )
            return await payments.open_payment(db, wish, now=at)

        charge = await self._gateway.charge(await self._database.transact(open_payment), now=at)

        async def settle(db: AsyncSession) -> UUID | None:
            await payments.record_charge(db, charge, now=at)
            if is_complete:
                await self._fulfil(db, purchase.member_id, order_id, at)
            view = await orders.order_of_member(db, purchase.member_id, order_id)
            group_id: UUID | None = view.order["group_id"]
            return group_id

        return await self._database.transact(settle)

    async def _place(
        self, db: AsyncSession, member_id: UUID, basket: BasketWish, at: datetime
    ) -> UUID:
        tokens = self.planting.tokens
        priced = await orders.price(db, basket, member_id, now=at)
        expires_at = orders.expiry(at, QUOTE_TTL_SECONDS)
        quote_id = orders.seal(tokens, basket, priced, member_id, expires_at)
        wish = PlaceWish(basket, quote_id, _ADDRESS)
        settings = self.planting.settings
        made = await orders.place(db, member_id, wish, settings=settings, tokens=tokens, now=at)
        order_id: UUID = made.order["id"]
        return order_id

    async def _fulfil(
        self, db: AsyncSession, member_id: UUID, order_id: UUID, at: datetime
    ) -> None:
        """Of a group, the others' parcels leave with the last one's."""
        view = await orders.order_of_member(db, member_id, order_id)
        every = [(member_id, order_id)]
        if view.order["group_id"] is not None:
            every = await self._companions(db, view.order["group_id"])
        for buyer_id, each in every:
            await self._send(db, buyer_id, each, at)

    async def _companions(self, db: AsyncSession, group_id: UUID) -> list[tuple[UUID, UUID]]:
        found = await read_all(
            db,
            self.planting.tokens,
            lambda db, page: orders.orders_of_shop(
                db, self.ground.shop_id, {"group_id": group_id}, page
            ),
        )
        return [(row.order["member_id"], row.order["id"]) for row in found]

    async def _send(self, db: AsyncSession, member_id: UUID, order_id: UUID, at: datetime) -> None:
        now = self.planting.now
        if at + PACKED_WITHIN > now:
            return
        await orders.ship(
            db,
            self.ground.shop_id,
            order_id,
            carrier="顺丰速运",
            tracking_number=f"SF{order_id.int % 10**12:012}",
            now=at + SHIPPED_AFTER,
        )
        if at + RECEIVED_AFTER <= now:
            await orders.receive(db, member_id, order_id, now=at + RECEIVED_AFTER)
