"""Who changed what, from what, to what, in which request: written with the change, never edited.

The database itself refuses to change or to delete an entry. The log has what operators edit. What
members and workers do to orders, groups and money is told by the facts in the outbox, each with
its actor and request.
"""

from collections.abc import Mapping
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
    # One for each way it is read, newest first; the last is how it is exported.
    __table_args__ = (
        sa.Index("ix_audit_log_shop_id_at_id", "shop_id", "at", "id"),
        sa.Index("ix_audit_log_shop_id_subject_id", "shop_id", "subject_id", "at", "id"),
        sa.Index("ix_audit_log_shop_id_actor_id", "shop_id", "actor_id", "at", "id"),
        sa.Index("ix_audit_log_shop_id_action", "shop_id", "action", "at", "id"),
        sa.Index("ix_audit_log_shop_id_id", "shop_id", "id"),
    )

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

_FORBID = """
CREATE FUNCTION audit_log_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = TG_TABLE_NAME || ' is append-only';
END $$"""
# For the statement and not for each row, so that it speaks up where no row is met, too.
_GUARD = """
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_forbid_change()"""


def _sqlite_guard(verb: str) -> str:
    return (
        f"CREATE TRIGGER audit_log_no_{verb.lower()} BEFORE {verb} ON audit_log BEGIN"
        " SELECT RAISE(ABORT, 'audit_log is append-only'); END"
    )


# What keeps the log as it is, by database, in the order to create it; migrations use it too.
GUARDS: Mapping[str, tuple[str, ...]] = {
    "postgresql": (_FORBID, _GUARD),
    "sqlite": (_sqlite_guard("UPDATE"), _sqlite_guard("DELETE")),
}
for _dialect, _texts in GUARDS.items():
    for _text in _texts:
        _ddl = sa.DDL(_text)  # type: ignore[no-untyped-call]
        sa.event.listen(_entries, "after_create", _ddl.execute_if(dialect=_dialect))


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
