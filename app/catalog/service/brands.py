"""Partner brands of a shop and the share of their sales that is theirs."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import Brand
from app.catalog.repository import records
from app.catalog.rules import NewBrand
from app.catalog.service.editing import changed_of, note_edit
from app.catalog.service.shops import shop
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id


async def list_brands(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[Brand]:
    """The partner brands of a shop, archived ones too, the youngest first."""
    return await records.list_brands(db, shop_id, paging)


async def create_brand(
    db: AsyncSession, shop_id: UUID, wanted: NewBrand, *, now: datetime
) -> Brand:
    """Add a partner brand to a shop."""
    await shop(db, shop_id)
    made = Brand(id=new_id(), shop_id=shop_id, created_at=now, **asdict(wanted))
    await records.add(db, made)
    subject = ("brand", made.id)
    await note(db, "brand.created", subject, at=now, shop_id=shop_id, change=(None, asdict(wanted)))
    return made


async def edit_brand(
    db: AsyncSession, shop_id: UUID, brand_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Brand:
    """Change a brand's name, account or share; orders already placed keep the share they had."""
    before = await _brand(db, shop_id, brand_id)
    changed = changed_of(before, changes)
    if not changed:
        return before
    await records.change_brand(db, brand_id, changed)
    await note_edit(db, "brand", before, changed, now=now)
    return Brand(**{**before.model_dump(), **changed})


async def archive_brand(db: AsyncSession, shop_id: UUID, brand_id: UUID, *, now: datetime) -> Brand:
    """Let no further product be given this brand; again on an archived one changes nothing."""
    before = await _brand(db, shop_id, brand_id)
    if before.archived_at is not None:
        return before
    await records.change_brand(db, brand_id, {"archived_at": now})
    change = ({"archived_at": None}, {"archived_at": now})
    await note(db, "brand.archived", ("brand", brand_id), at=now, shop_id=shop_id, change=change)
    return Brand(**{**before.model_dump(), "archived_at": now})


async def _brand(db: AsyncSession, shop_id: UUID, brand_id: UUID) -> Brand:
    found = await records.brand(db, shop_id, brand_id)
    if found is None:
        raise NotFound
    return found
