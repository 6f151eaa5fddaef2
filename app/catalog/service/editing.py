"""Edits of versioned records: what really changes, under the version it was read at, and noted."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Product, Shop, Variant
from app.catalog.repository import records
from app.core.audit_log import note
from app.core.errors import VersionMismatch

R = TypeVar("R", Shop, Product, Variant)


def changed_of(row: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the changes that differ from the record."""
    return {name: value for name, value in changes.items() if getattr(row, name) != value}


def check_version(row: Shop | Product | Variant, version: int) -> None:
    """Refuse an edit that was made on another version of the record."""
    if row.version != version:
        raise VersionMismatch


async def store(db: AsyncSession, row: R, values: Mapping[str, Any]) -> R:
    """Write new values into a record that nobody has changed since it was read."""
    fresh = await records.change(db, type(row), row.id, version=row.version, values=values)
    if fresh is None:
        raise VersionMismatch
    return fresh


async def note_edit(
    db: AsyncSession, kind: str, row: Any, changed: Mapping[str, Any], *, now: datetime
) -> None:
    """Note the fields of a shop, category, product or variant that an edit has changed."""
    shop_id: UUID = row.id if isinstance(row, Shop) else row.shop_id
    before = {name: _plain(getattr(row, name)) for name in changed}
    after = {name: _plain(value) for name, value in changed.items()}
    await note(
        db, f"{kind}.edited", (kind, row.id), at=now, shop_id=shop_id, change=(before, after)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, StrEnum) else value
