"""All SQL of communities: counters move by conditional statements, standings are read by one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.community.models import (
    Audience,
    AudienceMember,
    Buyer,
    Community,
    CommunityRole,
    Membership,
    MembershipStatus,
    MemberTag,
    TagSource,
    Visibility,
)
from app.community.rules import CommunityView, Standing
from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import given, ids_in, table, upsert

_communities = table(Community)
_memberships = table(Membership)
_tags = table(MemberTag)
_buyers = table(Buyer)
_audiences = table(Audience)
_audience_members = table(AudienceMember)

_belongs = _memberships.c.status == MembershipStatus.ACTIVE
_lives = _communities.c.archived_at.is_(None)


async def add(db: AsyncSession, community: Community) -> None:
    """Insert a community."""
    await db.execute(sa.insert(_communities).values(community.model_dump()))


async def view(
    db: AsyncSession, community_id: UUID, member_id: UUID | None
) -> CommunityView | None:
    """A community with the member's role in it, if it belongs to it."""
    rows = await db.execute(_views(member_id).where(_communities.c.id == community_id))
    row = rows.mappings().first()
    return None if row is None else _view(row)


def _views(member_id: UUID | None) -> sa.Select[Any]:
    mine = sa.and_(
        _memberships.c.community_id == _communities.c.id,
        _memberships.c.member_id == member_id,
        _belongs,
    )
    return sa.select(_communities, _memberships.c.role.label("my_role")).select_from(
        _communities.outerjoin(_memberships, mine)
    )


def _view(row: sa.RowMapping) -> CommunityView:
    values: dict[str, Any] = dict(row)
    role: CommunityRole | None = values.pop("my_role")
    return CommunityView(Community(**values), role)


async def list_communities(
    db: AsyncSession, shop_id: UUID, paging: Paging, *, all_of_them: bool
) -> Slice[Community]:
    """A shop's communities, the youngest first: those that may be found, or all."""
    statement = sa.select(_communities).where(_communities.c.shop_id == shop_id)
    if not all_of_them:
        statement = statement.where(_lives, _communities.c.visibility != Visibility.HIDDEN)
    rows = await _page(db, statement, _communities.c.id, paging)
    cut = paging.cut(rows, lambda row: (row["id"],))
    return Slice([Community(**row) for row in cut.rows], cut.next_after)


async def list_own(db: AsyncSession, member_id: UUID, paging: Paging) -> Slice[CommunityView]:
    """The living communities a member belongs to, the youngest first."""
    statement = _views(member_id).where(_memberships.c.role.is_not(None), _lives)
    rows = await _page(db, statement, _communities.c.id, paging)
    cut = paging.cut(rows, lambda row: (row["id"],))
    return Slice([_view(row) for row in cut.rows], cut.next_after)


async def list_members(
    db: AsyncSession, community_id: UUID, paging: Paging
) -> Slice[sa.RowMapping]:
    """Who belongs to a community, by member id."""
    statement = sa.select(
        _memberships.c.member_id, _memberships.c.role, _memberships.c.joined_at
    ).where(_memberships.c.community_id == community_id, _belongs)
    rows = await _page(db, statement, _memberships.c.member_id, paging)
    return paging.cut(rows, lambda row: (row["member_id"],))


async def _page(
    db: AsyncSession, statement: sa.Select[Any], key: sa.Column[Any], paging: Paging
) -> Sequence[sa.RowMapping]:
    after = paging.after(UUID)
    if after is not None:
        statement = statement.where(beyond([key], after, descending=True))
    rows = await db.execute(statement.order_by(key.desc()).limit(paging.limit + 1))
    found: Sequence[sa.RowMapping] = rows.mappings().all()
    return found


async def change(
    db: AsyncSession, community_id: UUID, *, version: int, values: Mapping[str, Any]
) -> Community | None:
    """Change a community that still has this version and room for its members."""
    condition = [_communities.c.id == community_id, _communities.c.version == version]
    if values.get("capacity") is not None:
        condition.append(_communities.c.member_count <= values["capacity"])
    changed = await db.execute(
        sa.update(_communities)
        .where(*condition)
        .values({**values, "version": version + 1})
        .returning(_communities)
    )
    row = changed.mappings().first()
    return None if row is None else Community(**row)


async def enter(db: AsyncSession, community_id: UUID, member_id: UUID, now: datetime) -> bool:
    """Make somebody a member, for the first time or again; False for one who is a member."""
    fresh = {
        "role": CommunityRole.MEMBER,
        "status": MembershipStatus.ACTIVE,
        "joined_at": now,
        "left_at": None,
    }
    statement = upsert(db, _memberships).values(
        community_id=community_id, member_id=member_id, **fresh
    )
    entered = await db.execute(
        statement.on_conflict_do_update(
            index_elements=["community_id", "member_id"],
            set_=fresh,
            where=_memberships.c.status == MembershipStatus.LEFT,
        ).returning(_memberships.c.member_id)
    )
    return entered.first() is not None


async def leave(db: AsyncSession, community_id: UUID, member_id: UUID, now: datetime) -> bool:
    """End a membership; False where there is none."""
    left = await db.execute(
        sa.update(_memberships)
        .where(
            _memberships.c.community_id == community_id,
            _memberships.c.member_id == member_id,
            _belongs,
        )
        .values(status=MembershipStatus.LEFT, left_at=now)
        .returning(_memberships.c.member_id)
    )
    return left.first() is not None


async def count_in(db: AsyncSession, community_id: UUID) -> bool:
    """One member more, as long as there is room in a living community."""
    count, capacity = _communities.c.member_count, _communities.c.capacity
    counted = await db.execute(
        sa.update(_communities)
        .where(
            _communities.c.id == community_id,
            _lives,
            sa.or_(capacity.is_(None), count < capacity),
        )
        .values(member_count=count + 1)
        .returning(count)
    )
    return counted.first() is not None


async def count_out(db: AsyncSession, community_id: UUID) -> None:
    """One member less."""
    await db.execute(
        sa.update(_communities)
        .where(_communities.c.id == community_id)
        .values(member_count=_communities.c.member_count - 1)
    )


def _memberships_of(member_id: Any, shop_id: Any) -> sa.Select[Any]:
    return (
        sa.select(_memberships.c.community_id)
        .join(_communities, _communities.c.id == _memberships.c.community_id)
        .where(
            _memberships.c.member_id == member_id,
            _belongs,
            _lives,
            _communities.c.shop_id == shop_id,
        )
    )


def _standing(member_id: Any, shop_id: Any) -> tuple[sa.ColumnElement[Any], ...]:
    paid = (
        sa.select(_buyers.c.paid_orders)
        .where(_buyers.c.shop_id == shop_id, _buyers.c.member_id == member_id)
        .scalar_subquery()
    )
    role = sa.cast(_memberships.c.community_id, sa.String) + ":"
    role += sa.cast(_memberships.c.role, sa.String)
    roles = _memberships_of(member_id, shop_id).with_only_columns(
        sa.func.aggregate_strings(role, " ")
    )
    tags = (
        sa.select(sa.func.aggregate_strings(_tags.c.tag, " "))
        .where(_tags.c.member_id == member_id, _tags.c.source == TagSource.DECLARED)
        .scalar_subquery()
    )
    audiences = (
        sa.select(sa.func.aggregate_strings(sa.cast(_audiences.c.id, sa.String), " "))
        .join(_audience_members, _audience_members.c.audience_id == _audiences.c.id)
        .where(_audience_members.c.member_id == member_id, _audiences.c.shop_id == shop_id)
        .scalar_subquery()
    )
    return sa.func.coalesce(paid, 0), roles.scalar_subquery(), tags, audiences


_of_shop = sa.bindparam("of_shop", type_=sa.Uuid())
# Built once: every quote and every order runs it.
_standing_of = sa.select(*_standing(sa.bindparam("of_member", type_=sa.Uuid()), _of_shop))


async def standing(db: AsyncSession, member_id: UUID, shop_id: UUID) -> Standing:
    """Paid orders, roles, declared tags and audiences of a member, as one shop may see them."""
    values = {"of_member": member_id, "of_shop": shop_id}
    return _read_standing((await db.execute(_standing_of, values)).one())


async def standings(
    db: AsyncSession, member_ids: Collection[UUID], shop_id: UUID
) -> dict[UUID, Standing]:
    """The same of many members."""
    rows = [{"id": each} for each in sorted(member_ids)]
    asked = given(db, "asked", {"id": sa.Uuid()}, rows)
    statement = sa.select(*_standing(asked.c.id, _of_shop), asked.c.id)
    found = await db.execute(statement, {"of_shop": shop_id})
    return {row[-1]: _read_standing(row) for row in found}


def _read_standing(row: sa.Row[*tuple[Any, ...]]) -> Standing:
    told = (text.split(":") for text in (row[1] or "").split())
    roles = {UUID(community_id): role for community_id, role in told}
    return Standing(
        paid_orders=row[0],
        community_ids=frozenset(roles),
        tags=frozenset((row[2] or "").split()),
        roles=roles,
        audience_ids=frozenset(UUID(text) for text in (row[3] or "").split()),
    )


async def belongs(db: AsyncSession, member_id: UUID, shop_id: UUID, community_id: UUID) -> bool:
    """Whether a member belongs to a living community of the shop."""
    found = await db.execute(
        _memberships_of(member_id, shop_id).where(_memberships.c.community_id == community_id)
    )
    return found.first() is not None


async def fellows(
    db: AsyncSession, member_id: UUID, shop_id: UUID, among: Sequence[UUID]
) -> frozenset[UUID]:
    """Those of the given members who share a community of the shop with this one."""
    rows = await db.execute(
        sa.select(_memberships.c.member_id)
        .distinct()
        .where(
            _memberships.c.community_id.in_(_memberships_of(member_id, shop_id)),
            ids_in(db, _memberships.c.member_id, among),
            _memberships.c.member_id != member_id,
            _belongs,
        )
    )
    return frozenset(rows.scalars())


async def count_paid_order(db: AsyncSession, shop_id: UUID, member_id: UUID) -> int:
    """One paid order more; returns the new number."""
    statement = upsert(db, _buyers).values(shop_id=shop_id, member_id=member_id, paid_orders=1)
    counted = await db.execute(
        statement.on_conflict_do_update(
            index_elements=["shop_id", "member_id"],
            set_={"paid_orders": _buyers.c.paid_orders + 1},
        ).returning(_buyers.c.paid_orders)
    )
    number: int = counted.scalar_one()
    return number


async def uncount_paid_order(db: AsyncSession, shop_id: UUID, member_id: UUID) -> bool:
    """One paid order less; False where none was counted."""
    counted = await db.execute(
        sa.update(_buyers)
        .where(
            _buyers.c.shop_id == shop_id,
            _buyers.c.member_id == member_id,
            _buyers.c.paid_orders > 0,
        )
        .values(paid_orders=_buyers.c.paid_orders - 1)
        .returning(_buyers.c.paid_orders)
    )
    return counted.first() is not None


async def tags_of(db: AsyncSession, member_id: UUID) -> list[str]:
    """What a member has declared, in alphabetical order."""
    rows = await db.execute(
        sa.select(_tags.c.tag)
        .where(_tags.c.member_id == member_id, _tags.c.source == TagSource.DECLARED)
        .order_by(_tags.c.tag)
    )
    return list(rows.scalars())


async def declare(db: AsyncSession, member_id: UUID, tags: Sequence[str], now: datetime) -> None:
    """Make exactly these a member's declared tags; those kept keep their date."""
    await db.execute(
        sa.delete(_tags).where(
            _tags.c.member_id == member_id,
            _tags.c.source == TagSource.DECLARED,
            _tags.c.tag.not_in(tags),
        )
    )
    if not tags:
        return
    rows = [
        {"member_id": member_id, "tag": tag, "source": TagSource.DECLARED, "at": now}
        for tag in tags
    ]
    await db.execute(upsert(db, _tags).values(rows).on_conflict_do_nothing())
