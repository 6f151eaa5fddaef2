"""The audit log as it is read: newest first, along an index whatever is asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.repository.tables import audit_log
from app.core.http.paging import Paging, Slice, beyond
from app.core.sql import all_rows

_KEY = (audit_log.c.at, audit_log.c.id)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is looked for; what is not said does not matter. `until` itself is left out."""

    actor_id: UUID | None = None
    actor_kind: str | None = None
    action: str | None = None
    subject: str | None = None
    subject_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def _wanted(which: LogFilter) -> list[Any]:
    exact = {
        name: value
        for name in ("actor_id", "actor_kind", "action", "subject", "subject_id")
        if (value := getattr(which, name)) is not None
    }
    found = [audit_log.c[name] == value for name, value in exact.items()]
    if which.since is not None:
        found.append(audit_log.c.at >= which.since)
    if which.until is not None:
        found.append(audit_log.c.at < which.until)
    return found


async def entries(
    db: AsyncSession, shop_id: UUID | None, which: LogFilter, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of one shop's entries; without a shop those of the platform itself."""
    statement = sa.select(audit_log).where(audit_log.c.shop_id == shop_id, *_wanted(which))
    after = paging.after(datetime.fromisoformat, UUID)
    if after is not None:
        statement = statement.where(beyond(_KEY, after, descending=True))
    newest = (column.desc() for column in _KEY)
    rows = await all_rows(db, statement.order_by(*newest).limit(paging.limit + 1))
    return paging.cut(rows, lambda row: (row["at"].isoformat(), row["id"]))
