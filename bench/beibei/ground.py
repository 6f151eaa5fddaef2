"""The shop of the records: its goods, campaigns and members, multiplied in the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import PriceChange, Product, Stock, StockAdjustment, Variant
from app.core.ids import new_id
from app.core.security import Claims, PrincipalKind, fingerprint
from app.core.sql import table
from app.groupbuy.models import Campaign, CampaignPrice
from app.identity.models import Member, MemberStatus, Session, SessionKind
from bench.beibei.recorded import Recorded, units_of
from tests.lanes.world import SHIPPING_AMOUNT, Stall, World

GROUP_SECONDS = 86_400
# Longer than any number of waves takes on the test clock.
ALL_DAYS = timedelta(days=3_650)
SOLO_PRODUCTS = 200
SOLO_UNITS = 1_000_000
ROWS_AT_ONCE = 2_000


def list_amount(product_id: int) -> int:
    """Prices differ by product, so that a sum tells which orders it is of."""
    return 10_000 + product_id % 997 * 10


def solo_amount(product_id: int) -> int:
    """Alone, ten yuan less."""
    return list_amount(product_id) - 1_000


def group_amount(product_id: int) -> int:
    """Together, thirty yuan less."""
    return list_amount(product_id) - 3_000


def order_amount(product_id: int) -> int:
    """What one seat costs its member."""
    return group_amount(product_id) + SHIPPING_AMOUNT


@dataclass(frozen=True, slots=True)
class Ground:
    """Where every recorded name is found: products, offers and members by their recorded ids."""

    world: World
    variants: dict[int, UUID]
    campaigns: dict[tuple[int, int], UUID]
    members: dict[int, UUID]
    sessions: dict[int, UUID]
    # What is bought alone, beside the groups: product numbers that no record has.
    solo_variants: dict[int, UUID]

    def token(self, member: int) -> dict[str, str]:
        """Request headers of a member, good for a day from now."""
        state = self.world.application.state
        claims = Claims(self.members[member], self.sessions[member], PrincipalKind.MEMBER)
        return {"Authorization": f"Bearer {state.tokens.access(claims, now=state.clock.now())}"}

    def opening(self, group: Recorded) -> dict[str, Any]:
        """What the leader wishes."""
        return self._wish(group, open=str(self.campaigns[group.offer]))

    def joining(self, group: Recorded, group_id: str) -> dict[str, Any]:
        """What everybody else wishes."""
        return self._wish(group, join=group_id)

    def _wish(self, group: Recorded, **how: str) -> dict[str, Any]:
        return {**self._basket(self.variants[group.product_id]), "group": how}

    def alone(self, number: int) -> dict[str, Any]:
        """A basket of one unit at the solo price."""
        return self._basket(self.solo_variants[number])

    def _basket(self, variant_id: UUID) -> dict[str, Any]:
        line = {"variant_id": str(variant_id), "quantity": 1}
        return {"shop_id": str(self.world.fair.shop_id), "lines": [line]}


async def prepare(made: World, groups: Sequence[Recorded]) -> Ground:
    """Everything the groups need, and not one unit of stock more."""
    fair = made.fair
    first = await fair.stall(
        units=1, size=2, group_seconds=GROUP_SECONDS, ends_at=fair.now + ALL_DAYS
    )
    units = units_of(groups)
    solo = dict.fromkeys(range(-SOLO_PRODUCTS, 0), SOLO_UNITS)
    variants = await _add_goods(made, first, {**units, **solo})
    campaigns = await _add_campaigns(made, first, groups, variants)
    members, sessions = await _add_members(made, groups)
    return Ground(
        world=made,
        variants={number: variants[number] for number in units},
        campaigns=campaigns,
        members=members,
        sessions=sessions,
        solo_variants={number: variants[number] for number in solo},
    )


async def _add_goods(made: World, first: Stall, units: dict[int, int]) -> dict[int, UUID]:
    """A product with one variant for each number, with so many units."""
    product_ids = {number: new_id() for number in units}
    variants = {number: new_id() for number in units}
    amounts = {n: {"list_amount": list_amount(n), "solo_amount": solo_amount(n)} for n in units}
    await _copies(
        made,
        (Product, "id", made.fair.product_id),
        [
            {"id": i, "title": f"商品 {n}", "lowest_amount": list_amount(n)}
            for n, i in product_ids.items()
        ],
    )
    await _copies(
        made,
        (Variant, "id", first.variant_id),
        [
            {"id": i, "product_id": product_ids[n], "sku": f"B-{i.hex}", **amounts[n]}
            for n, i in variants.items()
        ],
    )
    of_variant = [(number, {"variant_id": i}) for number, i in variants.items()]
    await _copies(
        made,
        (PriceChange, "variant_id", first.variant_id),
        [{"id": new_id(), **each, **amounts[n]} for n, each in of_variant],
    )
    await _copies(
        made,
        (Stock, "variant_id", first.variant_id),
        [{**each, "on_hand": units[n]} for n, each in of_variant],
    )
    await _copies(
        made,
        (StockAdjustment, "variant_id", first.variant_id),
        [{"id": new_id(), **each, "quantity": units[n]} for n, each in of_variant],
    )
    return variants


async def _add_campaigns(
    made: World, first: Stall, groups: Sequence[Recorded], variants: dict[int, UUID]
) -> dict[tuple[int, int], UUID]:
    """One campaign for each product and size."""
    campaigns = {group.offer: new_id() for group in groups}
    products = await _products(made)
    await _copies(
        made,
        (Campaign, "id", first.campaign_id),
        [
            {"id": i, "product_id": products[variants[number]], "size": size}
            for (number, size), i in campaigns.items()
        ],
    )
    await _copies(
        made,
        (CampaignPrice, "campaign_id", first.campaign_id),
        [
            {
                "campaign_id": i,
                "variant_id": variants[number],
                "group_amount": group_amount(number),
            }
            for (number, _), i in campaigns.items()
        ],
    )
    return campaigns


async def _products(made: World) -> dict[UUID, UUID]:
    """The product of every variant."""
    both = sa.select(table(Variant).c.id, table(Variant).c.product_id)
    async with made.fair.database.reading() as db:
        return {row.id: row.product_id for row in await db.execute(both)}


async def _add_members(
    made: World, groups: Sequence[Recorded]
) -> tuple[dict[int, UUID], dict[int, UUID]]:
    """Members who are signed in for as long as it takes."""
    numbers = sorted({member for group in groups for member in group.member_ids})
    members = {number: new_id() for number in numbers}
    sessions = {number: new_id() for number in numbers}
    now = made.fair.now
    await _add(
        made,
        Member,
        [
            {"id": i, "created_at": now, "status": MemberStatus.ACTIVE, "language": "zh-CN"}
            for i in members.values()
        ],
    )
    await _add(
        made,
        Session,
        [
            {
                "id": sessions[number],
                "kind": SessionKind.MEMBER,
                "subject_id": member_id,
                "refresh_hash": fingerprint(member_id.hex),
                "created_at": now,
                "expires_at": now + ALL_DAYS,
            }
            for number, member_id in members.items()
        ],
    )
    return members, sessions


async def _copies(
    made: World, origin: tuple[Any, str, UUID], changes: Sequence[dict[str, Any]]
) -> None:
    """Rows like the one that the services have made."""
    model, column, value = origin
    target = table(model)

    async def find(db: AsyncSession) -> dict[str, Any]:
        found = await db.execute(sa.select(target).where(target.c[column] == value))
        return dict(found.mappings().one())

    row = await made.fair.database.transact(find)
    await _add(made, model, [{**row, **more} for more in changes])


async def _add(made: World, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        add, some = sa.insert(table(model)), rows[begin : begin + ROWS_AT_ONCE]
        await made.fair.database.transact(partial(_execute, add, some))


async def _execute(add: sa.Insert, rows: Sequence[dict[str, Any]], db: AsyncSession) -> None:
    await db.execute(add, rows)
