"""Variants and their prices; every price that was ever charged stays on record."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import SkuTaken
from app.catalog.models import PriceChange, Stock, Variant
from app.catalog.repository import records
from app.catalog.rules import NewVariant, check_prices
from app.catalog.service.editing import changed_of, check_version, note_edit, store
from app.core.audit_log import note
from app.core.context import actor_var
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id

_PRICES = ("list_amount", "solo_amount")


async def variant_of_shop(db: AsyncSession, shop_id: UUID, variant_id: UUID) -> Variant:
    """A variant of this shop, archived or not; `NotFound` for another shop's."""
    found = await records.variant(db, shop_id, variant_id)
    if found is None:
        raise NotFound
    return found


async def list_price_changes(
    db: AsyncSession, shop_id: UUID, variant_id: UUID, paging: Paging
) -> Slice[PriceChange]:
    """What a variant of this shop has cost, the newest price first."""
    await variant_of_shop(db, shop_id, variant_id)
    return await records.list_price_changes(db, variant_id, paging)


async def create_variant(
    db: AsyncSession, shop_id: UUID, product_id: UUID, wanted: NewVariant, *, now: datetime
) -> Variant:
    """Add a variant to a product of the shop, with an empty stock and its first price on record."""
    _check_prices(asdict(wanted))
    if await records.lock_product(db, shop_id, product_id) is None:
        raise NotFound
    made = Variant(
        id=new_id(), shop_id=shop_id, product_id=product_id, created_at=now, **asdict(wanted)
    )
    if not await records.add_unless_taken(db, made, ["shop_id", "sku"]):
        raise SkuTaken(sku=wanted.sku)
    await records.add(db, Stock(variant_id=made.id, shop_id=shop_id))
    await _record_price(db, made, now)
    await records.keep_lowest_amount(db, product_id)
    await note(
        db,
        "variant.created",
        ("variant", made.id),
        at=now,
        shop_id=shop_id,
        change=(None, asdict(wanted)),
    )
    return made


async def edit_variant(
    db: AsyncSession,
    shop_id: UUID,
    variant_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> Variant:
    """Change a variant's title or prices; orders already placed keep what they were promised."""
    variant = await variant_of_shop(db, shop_id, variant_id)
    check_version(variant, version)
    changed = changed_of(variant, changes)
    if not changed:
        return variant
    _check_prices({**variant.model_dump(), **changed})
    # The product is held first: its lowest price is counted over all its variants.
    await records.lock_product(db, shop_id, variant.product_id)
    after = await store(db, variant, changed)
    if any(name in changed for name in _PRICES):
        await _record_price(db, after, now)
        await records.keep_lowest_amount(db, variant.product_id)
    await note_edit(db, "variant", variant, changed, now=now)
    return after


async def archive_variant(
    db: AsyncSession, shop_id: UUID, variant_id: UUID, *, now: datetime
) -> Variant:
    """Take a variant off sale for good; again on an archived one changes nothing."""
    variant = await variant_of_shop(db, shop_id, variant_id)
    await records.lock_product(db, shop_id, variant.product_id)
    variant = await variant_of_shop(db, shop_id, variant_id)
    if variant.archived_at is not None:
        return variant
    await records.archive_variant(db, variant_id, now)
    await records.keep_lowest_amount(db, variant.product_id)
    await note(
        db,
        "variant.archived",
        ("variant", variant_id),
        at=now,
        shop_id=shop_id,
        change=({"archived_at": None}, {"archived_at": now}),
    )
    return await variant_of_shop(db, shop_id, variant_id)


def _check_prices(values: Mapping[str, Any]) -> None:
    check_prices(
        list_amount=values["list_amount"],
        solo_amount=values["solo_amount"],
        floor_amount=values["floor_amount"],
    )


async def _record_price(db: AsyncSession, variant: Variant, now: datetime) -> None:
    actor = actor_var.get()
    await records.add(
        db,
        PriceChange(
            id=new_id(),
            variant_id=variant.id,
            at=now,
            list_amount=variant.list_amount,
            solo_amount=variant.solo_amount,
            actor_kind=actor.kind,
            actor_id=actor.id,
        ),
    )
