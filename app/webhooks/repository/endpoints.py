"""Endpoints with what they want to hear and what their messages are signed with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.ids import new_id
from app.core.sql import all_rows, changed, first_row, given, ids_in, table, upsert
from app.webhooks.models import (
    ENDPOINTS_MAX,
    EndpointState,
    WebhookEndpoint,
    WebhookFilter,
    WebhookSecret,
)

_endpoints, _filters, _secrets = table(WebhookEndpoint), table(WebhookFilter), table(WebhookSecret)


def _kept(shop_id: UUID, endpoint_id: UUID) -> sa.ColumnElement[bool]:
    """One endpoint of a shop, unless it is deleted."""
    return sa.and_(
        _endpoints.c.id == endpoint_id,
        _endpoints.c.shop_id == shop_id,
        _endpoints.c.deleted_at.is_(None),
    )


async def add(db: AsyncSession, endpoint: Mapping[str, Any]) -> bool:
    """Take the lowest free slot of the shop; false when it has none left.

    A rival that takes the same slot comes first or second, and the second tries the next.
    """
    statement = _taking_a_slot(db, endpoint)
    for _ in range(ENDPOINTS_MAX):
        if await changed(db, statement):
            return True
    return False


def _taking_a_slot(db: AsyncSession, endpoint: Mapping[str, Any]) -> Any:
    slots = given(db, "slots", {"n": sa.Integer()}, [{"n": n} for n in range(1, ENDPOINTS_MAX + 1)])
    taken = sa.select(_endpoints.c.slot).where(
        _endpoints.c.shop_id == endpoint["shop_id"], _endpoints.c.deleted_at.is_(None)
    )
    free = sa.func.min(slots.c.n)
    values = [sa.literal(value, _endpoints.c[name].type) for name, value in endpoint.items()]
    row = (
        sa.select(*values, free)
        .select_from(slots)
        .where(slots.c.n.not_in(taken))
        .having(free.is_not(None))
    )
    insert = upsert(db, _endpoints).from_select([*endpoint, "slot"], row)
    return insert.on_conflict_do_nothing()


async def one(db: AsyncSession, shop_id: UUID, endpoint_id: UUID) -> sa.RowMapping | None:
    """An endpoint of this shop, unless it is deleted."""
    return await first_row(db, sa.select(_endpoints).where(_kept(shop_id, endpoint_id)))


async def page(
    db: AsyncSession, shop_id: UUID, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """A shop's endpoints, the newest first."""
    query = sa.select(_endpoints).where(
        _endpoints.c.shop_id == shop_id, _endpoints.c.deleted_at.is_(None)
    )
    if after is not None:
        query = query.where(_endpoints.c.id < after)
    return await all_rows(db, query.order_by(_endpoints.c.id.desc()).limit(rows_max))


async def edit(
    db: AsyncSession, shop_id: UUID, endpoint_id: UUID, values: Mapping[str, Any], version: int
) -> bool:
    """Change an endpoint that still is of this version."""
    statement = (
        sa.update(_endpoints)
        .where(_kept(shop_id, endpoint_id), _endpoints.c.version == version)
        .values(**values, version=version + 1)
    )
    return await changed(db, statement) > 0


async def touch(
    db: AsyncSession,
    shop_id: UUID,
    endpoint_id: UUID,
    values: Mapping[str, Any],
    *,
    only: EndpointState | None = None,
) -> bool:
    """Change an endpoint whatever its version is, if it is in this state; rivals wait here."""
    statement = (
        sa.update(_endpoints)
        .where(_kept(shop_id, endpoint_id))
        .values(**values, version=_endpoints.c.version + 1)
    )
    if only is not None:
        statement = statement.where(_endpoints.c.state == only)
    return await changed(db, statement) > 0


async def set_filters(
    db: AsyncSession, endpoint_id: UUID, kinds: Sequence[str], *, sure_from: datetime
) -> None:
    """Let an endpoint hear these kinds and no others; those it heard before it goes on hearing."""
    wanted = given(db, "wanted", {"kind": sa.Text()}, [{"kind": kind} for kind in kinds])
    await db.execute(
        sa.delete(_filters).where(
            _filters.c.endpoint_id == endpoint_id,
            _filters.c.kind.not_in(sa.select(wanted.c.kind)),
        )
    )
    rows = sa.select(
        sa.literal(endpoint_id, sa.Uuid()),
        wanted.c.kind,
        sa.literal(sure_from, _filters.c.sure_from.type),
    ).where(sa.true())
    insert = upsert(db, _filters).from_select(["endpoint_id", "kind", "sure_from"], rows)
    await db.execute(insert.on_conflict_do_nothing())


async def renew_filters(db: AsyncSession, endpoint_id: UUID, *, sure_from: datetime) -> None:
    """Say anew from when on an endpoint hears without fail."""
    renewed = sa.update(_filters).where(_filters.c.endpoint_id == endpoint_id)
    await db.execute(renewed.values(sure_from=sure_from))


async def drop_filters(db: AsyncSession, endpoint_id: UUID) -> None:
    """Let an endpoint hear nothing more."""
    await db.execute(sa.delete(_filters).where(_filters.c.endpoint_id == endpoint_id))


async def filters_of(db: AsyncSession, endpoint_ids: Sequence[UUID]) -> Sequence[sa.RowMapping]:
    """What each of these endpoints wants to hear."""
    query = sa.select(_filters).where(ids_in(db, _filters.c.endpoint_id, endpoint_ids))
    return await all_rows(db, query.order_by(_filters.c.endpoint_id, _filters.c.kind))


async def add_secret(db: AsyncSession, secret: Mapping[str, Any]) -> None:
    """Give an endpoint its current secret."""
    await db.execute(sa.insert(_secrets).values(id=new_id(), **secret))


async def live_secrets(
    db: AsyncSession, endpoint_ids: Sequence[UUID], *, now: datetime
) -> Sequence[sa.RowMapping]:
    """The secrets that hold now, sealed, the newest of each endpoint first."""
    query = sa.select(_secrets).where(
        ids_in(db, _secrets.c.endpoint_id, endpoint_ids),
        sa.or_(_secrets.c.expires_at.is_(None), _secrets.c.expires_at > now),
    )
    return await all_rows(db, query.order_by(_secrets.c.endpoint_id, _secrets.c.id.desc()))


async def end_secrets(db: AsyncSession, endpoint_id: UUID, *, at: datetime) -> None:
    """Let no secret of an endpoint hold beyond this time."""
    await db.execute(
        sa.update(_secrets)
        .where(
            _secrets.c.endpoint_id == endpoint_id,
            sa.or_(_secrets.c.expires_at.is_(None), _secrets.c.expires_at > at),
        )
        .values(expires_at=at)
    )


async def drop_secrets(db: AsyncSession, endpoint_id: UUID) -> None:
    """Forget what an endpoint's messages were signed with."""
    await db.execute(sa.delete(_secrets).where(_secrets.c.endpoint_id == endpoint_id))


async def drop_ended_secrets(db: AsyncSession, *, before: datetime, rows_max: int) -> int:
    """Forget a bounded number of secrets that no longer hold."""
    ended = (
        sa.select(_secrets.c.id)
        .where(_secrets.c.expires_at < before)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
        .cte("ended")
    )
    dropped = sa.delete(_secrets).where(_secrets.c.id.in_(sa.select(ended.c.id)))
    # SQLite counts no rows of a statement that begins with a common table expression.
    return len(await all_rows(db, dropped.returning(_secrets.c.id)))


async def sealed_otherwise(
    db: AsyncSession, name: str, after: UUID | None, rows_max: int
) -> Sequence[sa.RowMapping]:
    """Secrets sealed with another key than this, in the order of their ids."""
    query = sa.select(_secrets).where(_secrets.c.sealed_with != name)
    if after is not None:
        query = query.where(_secrets.c.id > after)
    return await all_rows(db, query.order_by(_secrets.c.id).limit(rows_max))


async def reseal(
    db: AsyncSession, secret: Mapping[Any, Any], *, sealed: str, sealed_with: str
) -> None:
    """Keep a secret under another key, unless a rival has done so."""
    await db.execute(
        sa.update(_secrets)
        .where(_secrets.c.id == secret["id"], _secrets.c.sealed_with == secret["sealed_with"])
        .values(sealed=sealed, sealed_with=sealed_with)
    )
