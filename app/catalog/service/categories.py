"""A shop's tree of categories; whoever rearranges it holds the shop, so no cycle slips in."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.errors import CategoryHasChildren, CategoryNotFound
from app.catalog.models import Category
from app.catalog.repository import records
from app.catalog.rules import NewCategory, check_placement
from app.catalog.service.editing import changed_of, note_edit
from app.catalog.service.shops import shop
from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.ids import new_id


async def categories_of(db: AsyncSession, shop_id: UUID) -> list[Category]:
    """The living categories of a shop, siblings in their order; parents are named by id."""
    await shop(db, shop_id)
    return await records.categories_of(db, shop_id)


async def create_category(
    db: AsyncSession, shop_id: UUID, wanted: NewCategory, *, now: datetime
) -> Category:
    """Add a category to the shop's tree."""
    tree = await _held_tree(db, shop_id)
    made = Category(id=new_id(), shop_id=shop_id, **asdict(wanted))
    _check_place(tree, made.id, wanted.parent_id)
    await records.add(db, made)
    await note(
        db,
        "category.created",
        ("category", made.id),
        at=now,
        shop_id=shop_id,
        change=(None, asdict(wanted)),
    )
    return made


async def edit_category(
    db: AsyncSession,
    shop_id: UUID,
    category_id: UUID,
    changes: Mapping[str, Any],
    *,
    now: datetime,
) -> Category:
    """Rename, move or reorder a category; the products below it move with it."""
    tree = await _held_tree(db, shop_id)
    before = tree.get(category_id)
    if before is None:
        raise NotFound
    changed = changed_of(before, changes)
    if not changed:
        return before
    if "parent_id" in changed:
        _check_place(tree, category_id, changed["parent_id"])
    await records.change_category(db, category_id, changed)
    await note_edit(db, "category", before, changed, now=now)
    return Category(**{**before.model_dump(), **changed})


async def archive_category(
    db: AsyncSession, shop_id: UUID, category_id: UUID, *, now: datetime
) -> Category:
    """Take an empty branch out of the tree; products that name it keep it and stay on sale."""
    tree = await _held_tree(db, shop_id)
    before = tree.get(category_id)
    if before is None:
        raise NotFound
    if any(other.parent_id == category_id for other in tree.values()):
        raise CategoryHasChildren
    await records.change_category(db, category_id, {"archived_at": now})
    await note(
        db,
        "category.archived",
        ("category", category_id),
        at=now,
        shop_id=shop_id,
        change=({"archived_at": None}, {"archived_at": now}),
    )
    return Category(**{**before.model_dump(), "archived_at": now})


async def _held_tree(db: AsyncSession, shop_id: UUID) -> dict[UUID, Category]:
    await records.lock_shop(db, shop_id)
    return {c.id: c for c in await categories_of(db, shop_id)}


def _check_place(tree: Mapping[UUID, Category], category_id: UUID, parent_id: UUID | None) -> None:
    if parent_id is not None and parent_id not in tree:
        raise CategoryNotFound
    check_placement({c.id: c.parent_id for c in tree.values()}, category_id, parent_id)
