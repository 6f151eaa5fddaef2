"""Campaigns as operators keep them: drafted, edited before they start, scheduled and stopped."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import ProductStatus
from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.groupbuy.errors import BadCampaign, CampaignNotEditable
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus
from app.groupbuy.repository import campaigns as repository
from app.groupbuy.repository import pages
from app.groupbuy.rules import CampaignWish, GroupPriceWish, VariantTerms, check_campaign, phase

_EDITABLE = (CampaignPhase.DRAFT, CampaignPhase.SCHEDULED)
_STOPPABLE = (*_EDITABLE, CampaignPhase.RUNNING)
_WISH_FIELDS = tuple(name for name in CampaignWish.__dataclass_fields__ if name != "prices")


@dataclass(frozen=True, slots=True)
class Board:
    """How a campaign does: groups by status, and seats held or paid in groups that live."""

    groups: Mapping[GroupStatus, int] = field(default_factory=dict)
    seats_taken: int = 0
    seats_paid: int = 0


@dataclass(frozen=True, slots=True)
class OperatorView:
    """A campaign with what it is right now, its prices and how it does."""

    campaign: sa.RowMapping
    phase: CampaignPhase
    prices: Sequence[GroupPriceWish]
    board: Board


async def create_campaign(
    db: AsyncSession, shop_id: UUID, wish: CampaignWish, *, now: datetime
) -> OperatorView:
    """Draft a campaign; members see nothing of it before it is scheduled."""
    await _check(db, shop_id, wish)
    campaign_id = new_id()
    values = {name: getattr(wish, name) for name in _WISH_FIELDS}
    await repository.add_campaign(
        db,
        {
            **values,
            "id": campaign_id,
            "shop_id": shop_id,
            "status": CampaignStatus.DRAFT,
            "quota_taken": 0,
            "version": 1,
            "created_at": now,
        },
        _price_rows(campaign_id, wish.prices),
    )
    after = await _campaign(db, shop_id, campaign_id)
    change = (None, {**values, "prices": _plain(wish.prices)})
    await _note(db, "created", after, change, now=now)
    return await _view(db, after, now)


async def edit_campaign(
    db: AsyncSession,
    shop_id: UUID,
    campaign_id: UUID,
    changes: Mapping[str, Any],
    *,
    version: int,
    now: datetime,
) -> OperatorView:
    """Change a campaign that has not begun; afterwards its groups count on what it says."""
    before = await _held(db, shop_id, campaign_id, version=version)
    _check_phase(before, _EDITABLE, now)
    said = await _wish(db, before)
    wish = replace(said, **changes)
    await _check(db, shop_id, wish)
    names = [n for n in (*_WISH_FIELDS, "prices") if getattr(wish, n) != getattr(said, n)]
    if not names:
        return await _view(db, before, now)
    values = {n: getattr(wish, n) for n in names if n != "prices"}
    after = await repository.change(db, before, values, now=now)
    if after is None:
        raise VersionMismatch
    if "prices" in names:
        await repository.replace_prices(db, campaign_id, _price_rows(campaign_id, wish.prices))
    change = tuple({n: _plain(getattr(w, n)) for n in names} for w in (said, wish))
    await _note(db, "edited", after, (change[0], change[1]), now=now)
    return await _view(db, after, now)


async def schedule_campaign(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, version: int, now: datetime
) -> OperatorView:
    """Let a draft run in its window; its product may have changed, so it is checked again."""
    before = await _held(db, shop_id, campaign_id, version=version)
    _check_phase(before, (CampaignPhase.DRAFT,), now)
    if before["ends_at"] <= now:
        raise BadCampaign(reason="ended", ends_at=before["ends_at"].isoformat())
    product = await catalog.product_of_shop(db, shop_id, before["product_id"])
    if product.status is not ProductStatus.ON_SALE:
        raise BadCampaign(reason="product_not_on_sale")
    await _check(db, shop_id, await _wish(db, before))
    return await _move(db, before, CampaignStatus.SCHEDULED, "scheduled", now=now)


async def stop_campaign(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, version: int, now: datetime
) -> OperatorView:
    """End the opening of groups for good; groups that are open run on and may be joined."""
    before = await _held(db, shop_id, campaign_id, version=version)
    _check_phase(before, _STOPPABLE, now)
    return await _move(db, before, CampaignStatus.STOPPED, "stopped", now=now)


async def campaign_of_shop(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, now: datetime
) -> OperatorView:
    """A campaign of this shop with its figures; `NotFound` for another shop's."""
    return await _view(db, await _campaign(db, shop_id, campaign_id), now)


async def list_campaigns(
    db: AsyncSession, shop_id: UUID, wanted: CampaignPhase | None, paging: Paging, *, now: datetime
) -> Slice[OperatorView]:
    """A page of a shop's campaigns with their figures, the newest first; three statements."""
    found = await repository.campaigns_of_shop(db, shop_id, wanted, paging, now=now)
    return Slice(await _views(db, found.rows, now), found.next_after)


async def _campaign(db: AsyncSession, shop_id: UUID, campaign_id: UUID) -> sa.RowMapping:
    found = await repository.campaign(db, campaign_id)
    if found is None or found["shop_id"] != shop_id:
        raise NotFound
    return found


async def _held(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, version: int
) -> sa.RowMapping:
    found = await _campaign(db, shop_id, campaign_id)
    if found["version"] != version:
        raise VersionMismatch
    return found


def _phase(row: sa.RowMapping, now: datetime) -> CampaignPhase:
    return phase(row["status"], row["starts_at"], row["ends_at"], now)


def _check_phase(row: sa.RowMapping, allowed: Sequence[CampaignPhase], now: datetime) -> None:
    found = _phase(row, now)
    if found not in allowed:
        raise CampaignNotEditable(phase=found.value)


async def _check(db: AsyncSession, shop_id: UUID, wish: CampaignWish) -> None:
    await catalog.product_of_shop(db, shop_id, wish.product_id)
    cards = await catalog.variants_of_product(db, wish.product_id, with_archived=True)
    terms = {
        card.id: VariantTerms(
            card.list_amount, card.solo_amount, card.floor_amount, card.archived_at is not None
        )
        for card in cards
    }
    check_campaign(wish, terms)


async def _wish(db: AsyncSession, row: sa.RowMapping) -> CampaignWish:
    prices = _prices(await repository.prices_of(db, [row["id"]]))
    return CampaignWish(**{n: row[n] for n in _WISH_FIELDS}, prices=prices.get(row["id"], ()))


async def _move(
    db: AsyncSession, before: sa.RowMapping, status: CampaignStatus, verb: str, *, now: datetime
) -> OperatorView:
    after = await repository.change_status(db, before, status)
    if after is None:
        raise VersionMismatch
    change = ({"status": before["status"].value}, {"status": status.value})
    await _note(db, verb, after, change, now=now)
    return await _view(db, after, now)


async def _view(db: AsyncSession, row: sa.RowMapping, now: datetime) -> OperatorView:
    return (await _views(db, [row], now))[0]


async def _views(
    db: AsyncSession, rows: Sequence[sa.RowMapping], now: datetime
) -> list[OperatorView]:
    ids = [row["id"] for row in rows]
    prices = _prices(await repository.prices_of(db, ids))
    boards = _boards(await pages.figures(db, ids))
    return [
        OperatorView(
            row, _phase(row, now), prices.get(row["id"], ()), boards.get(row["id"], Board())
        )
        for row in rows
    ]


def _prices(rows: Sequence[sa.RowMapping]) -> dict[UUID, tuple[GroupPriceWish, ...]]:
    found: dict[UUID, tuple[GroupPriceWish, ...]] = {}
    for row in rows:
        price = GroupPriceWish(row["variant_id"], row["group_amount"])
        found[row["campaign_id"]] = (*found.get(row["campaign_id"], ()), price)
    return found


def _boards(rows: Sequence[sa.RowMapping]) -> dict[UUID, Board]:
    found: dict[UUID, Board] = {}
    for row in rows:
        board = found.get(row["campaign_id"], Board())
        found[row["campaign_id"]] = Board(
            {**board.groups, row["status"]: row["groups"]},
            board.seats_taken + row["taken"],
            board.seats_paid + row["paid"],
        )
    return found


def _price_rows(campaign_id: UUID, prices: Sequence[GroupPriceWish]) -> list[dict[str, Any]]:
    return [{"campaign_id": campaign_id, **asdict(price)} for price in prices]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [{"variant_id": str(p.variant_id), "group_amount": p.group_amount} for p in value]
    return value


async def _note(
    db: AsyncSession,
    verb: str,
    row: sa.RowMapping,
    change: tuple[dict[str, Any] | None, dict[str, Any]],
    *,
    now: datetime,
) -> None:
    subject = ("campaign", row["id"])
    await note(db, f"campaign.{verb}", subject, at=now, shop_id=row["shop_id"], change=change)
