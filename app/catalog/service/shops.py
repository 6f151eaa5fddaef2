"""Shops: opened by the platform, edited by their operators."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import OwnerNotFound, RefundLimitForOwners, SlugTaken
from app.catalog.models import Shop, ShopStatus
from app.catalog.repository import records
from app.catalog.rules import NewShop, ShopTerms
from app.catalog.service.editing import changed_of, check_version, note_edit, store
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.identity.rules import ShopRole
from app.identity.service import grant_role


async def shop(db: AsyncSession, shop_id: UUID) -> Shop:
    """The shop, open or paused; `NotFound` where there is none."""
    found = await records.shop(db, shop_id)
    if found is None:
        raise NotFound
    return found


async def shop_terms(db: AsyncSession, shop_id: UUID) -> ShopTerms:
    """What of the shop bears on a price; `NotFound` where there is none."""
    found = await shop(db, shop_id)
    return ShopTerms(**{name: getattr(found, name) for name in ShopTerms.__dataclass_fields__})


async def list_shops(db: AsyncSession, among: Sequence[UUID] | None, paging: Paging) -> Slice[Shop]:
    """The named shops, or all for `None`, the youngest first."""
    return await records.list_shops(db, among, paging)


async def create_shop(
    db: AsyncSession, wanted: NewShop, *, owner_id: UUID | None = None, now: datetime
) -> Shop:
    """Open a shop under a slug that no other has; `owner_id` is the operator who will own it."""
    made = Shop(id=new_id(), status=ShopStatus.OPEN, created_at=now, **asdict(wanted))
    if not await records.add_unless_taken(db, made, ["slug"]):
        raise SlugTaken(slug=wanted.slug)
    await note(
        db,
        "shop.created",
        ("shop", made.id),
        at=now,
        shop_id=made.id,
        change=(None, asdict(wanted)),
    )
    if owner_id is not None:
        await _make_owner(db, owner_id, made.id, now)
    return made


async def _make_owner(db: AsyncSession, owner_id: UUID, shop_id: UUID, now: datetime) -> None:
    try:
        await grant_role(db, owner_id, shop_id, ShopRole.OWNER, now=now)
    except IntegrityError as error:  # the role's foreign key knows every operator
        raise OwnerNotFound from error


async def edit_shop(
    db: AsyncSession,
    shop_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    may_set_refund_limit: bool = False,
    now: datetime,
) -> Shop:
    """Change a shop's terms; its slug and currency stay for ever, orders refer to them.

    Raises `RefundLimitForOwners` where the limit would be another one.
    """
    before = await shop(db, shop_id)
    check_version(before, version)
    changed = changed_of(before, changes)
    if not changed:
        return before
    if "refund_approval_above_amount" in changed and not may_set_refund_limit:
        raise RefundLimitForOwners
    after = await store(db, before, changed)
    await note_edit(db, "shop", before, changed, now=now)
    return after
