"""Who changed what, from what, to what, in which request: written with the change, never edited.

It has what operators edit. What members and workers do to orders, groups and money is told by the
facts in the outbox, each with its actor and request.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from app.core.context import actor_var, request_id_var
from app.core.ids import new_id
from app.core.sql import Json, table


class AuditEntry(SQLModel, table=True):
    """One change by one actor; `before` and `after` hold only the fields that changed."""

    __tablename__ = "audit_log"
    __table_args__ = (sa.Index("ix_audit_log_shop_id_id", "shop_id", "id"),)

    id: UUID = Field(primary_key=True)
    at: datetime
    actor_kind: str = Field(max_length=16)
    actor_id: UUID | None
    shop_id: UUID | None
    action: str = Field(max_length=64)
    subject: str = Field(max_length=32)
    subject_id: UUID | None
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    request_id: str = Field(max_length=64)


_entries = table(AuditEntry)


def _plain(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    simple = (str, int, bool, type(None), list, dict)
    return {k: v if isinstance(v, simple) else str(v) for k, v in facts.items()}


async def note(
    db: AsyncSession,
    action: str,
    subject: tuple[str, UUID | None],
    *,
    at: datetime,
    shop_id: UUID | None = None,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None),
) -> None:
    """Write one entry in the caller's transaction; actor and request id come from the context.

    `action` is `feature.verb`; `subject` is (kind, id); `change` is (before, after). Never put
    secrets or personal data here: the log outlives an erasure.
    """
    actor = actor_var.get()
    before, after = change
    await db.execute(
        sa.insert(_entries).values(
            id=new_id(),
            at=at,
            actor_kind=actor.kind,
            actor_id=actor.id,
            shop_id=shop_id,
            action=action,
            subject=subject[0],
            subject_id=subject[1],
            before=_plain(before),
            after=_plain(after),
            request_id=request_id_var.get(),
        )
    )
