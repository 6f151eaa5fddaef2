"""All SQL of named audiences: who belongs to them is written by a shop's operators alone."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.models import (
    Audience,
    AudienceMember,
    Buyer,
    Community,
    Membership,
    MembershipStatus,
)
from app.community.rules import AudienceView
from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import all_rows, changed, first_row, given, ids_in, table, upsert

_audiences = table(Audience)
_members = table(AudienceMember)
_communities = table(Community)
_memberships = table(Membership)
_buyers = table(Buyer)

_count = (
    sa.select(sa.func.count())
    .where(_members.c.audience_id == _audiences.c.id)
    .scalar_subquery()
    .label("member_count")
)
_views = sa.select(_audiences, _count)


async def add(db: AsyncSession, audience: Audience) -> None:
    """Insert an audience."""
    await db.execute(sa.insert(_audiences).values(audience.model_dump()))


async def view(db: AsyncSession, shop_id: UUID, audience_id: UUID) -> AudienceView | None:
    """An audience of the shop."""
    statement = _views.where(_audiences.c.id == audience_id, _audiences.c.shop_id == shop_id)
    row = await first_row(db, statement)
    return None if row is None else AudienceView(**row)


async def list_audiences(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[AudienceView]:
    """A shop's audiences, the youngest first."""
    statement = _views.where(_audiences.c.shop_id == shop_id)
    rows = await _page(db, statement, _audiences.c.id, paging)
    cut = paging.cut(rows, lambda row: (row["id"],))
    return Slice([AudienceView(**row) for row in cut.rows], cut.next_after)


async def list_members(db: AsyncSession, audience_id: UUID, paging: Paging) -> Slice[sa.RowMapping]:
    """Who belongs to an audience, by member id."""
    statement = sa.select(_members.c.member_id).where(_members.c.audience_id == audience_id)
    rows = await _page(db, statement, _members.c.member_id, paging)
    return paging.cut(rows, lambda row: (row["member_id"],))


async def _page(
    db: AsyncSession, statement: sa.Select[Any], key: sa.Column[Any], paging: Paging
) -> Sequence[sa.RowMapping]:
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(beyond([key], after, descending=True))
    return await all_rows(db, statement.order_by(key.desc()).limit(paging.limit + 1))


async def visible(db: AsyncSession, shop_id: UUID, among: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the members who belong to a community of the shop or have paid an order in it."""
    joined = (
        sa.select(_memberships.c.member_id)
        .join(_communities, _communities.c.id == _memberships.c.community_id)
        .where(
            _communities.c.shop_id == shop_id,
            _memberships.c.status == MembershipStatus.ACTIVE,
            ids_in(db, _memberships.c.member_id, among),
        )
    )
    bought = sa.select(_buyers.c.member_id).where(
        _buyers.c.shop_id == shop_id, ids_in(db, _buyers.c.member_id, among)
    )
    return frozenset((await db.execute(sa.union(joined, bought))).scalars())


async def add_members(db: AsyncSession, audience_id: UUID, member_ids: Sequence[UUID]) -> int:
    """Put members into an audience; returns how many were not in it yet."""
    rows = given(db, "given_members", {"id": sa.Uuid()}, [{"id": m} for m in member_ids])
    # SQLite reads ON after a SELECT as a join, unless a WHERE stands between them.
    told = sa.select(sa.literal(audience_id, sa.Uuid()), rows.c.id).where(sa.true())
    statement = upsert(db, _members).from_select(["audience_id", "member_id"], told)
    return await changed(db, statement.on_conflict_do_nothing())


async def remove_member(db: AsyncSession, audience_id: UUID, member_id: UUID) -> bool:
    """Take a member out of an audience; False for one who is not in it."""
    statement = sa.delete(_members).where(
        _members.c.audience_id == audience_id, _members.c.member_id == member_id
    )
    return await changed(db, statement) > 0


async def unknown(
    db: AsyncSession, shop_id: UUID, community_ids: Sequence[UUID], audience_ids: Sequence[UUID]
) -> tuple[UUID, ...]:
    """Those of the ids that name no community, or no audience, of the shop, in order."""
    known = sa.union_all(
        sa.select(_communities.c.id).where(
            _communities.c.shop_id == shop_id, ids_in(db, _communities.c.id, community_ids)
        ),
        sa.select(_audiences.c.id).where(
            _audiences.c.shop_id == shop_id, ids_in(db, _audiences.c.id, audience_ids)
        ),
    )
    found = frozenset((await db.execute(known)).scalars())
    return tuple(each for each in (*community_ids, *audience_ids) if each not in found)
