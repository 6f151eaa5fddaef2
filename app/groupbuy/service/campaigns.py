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
from app.community import service as community
from app.core.audit_log import note
from app.core.errors import NotFound, VersionMismatch
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.groupbuy.errors import BadCampaign, CampaignNotEditable
from app.groupbuy.models import CampaignPhase, CampaignStatus, GroupStatus, SeatStatus
from app.groupbuy.repository import campaigns as repository
from app.groupbuy.repository import pages
from app.groupbuy.rules.campaigns import (
    CampaignWish,
    GroupPriceWish,
    VariantTerms,
    audience_of,
    check_campaign,
    ladder_of,
    phase,
    stored_audience,
    stored_ladder,
)

_EDITABLE = (CampaignPhase.DRAFT, CampaignPhase.SCHEDULED)
# A draft has nothing to stop, and would be public by it.
_STOPPABLE = (CampaignPhase.SCHEDULED, CampaignPhase.RUNNING)
_WITH_GROUPS = (CampaignPhase.ENDED, CampaignPhase.STOPPED)
_WISH_FIELDS = tuple(name for name in CampaignWish.__dataclass_fields__ if name != "prices")


@dataclass(frozen=True, slots=True)
class SeatFigures:
    """Seats of one status: how many, their units, and what these cost as promised."""

    seats: int = 0
    units: int = 0
    goods_amount: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """How a campaign does: its groups and its seats by status."""

    groups: Mapping[GroupStatus, int] = field(default_factory=dict)
    seats: Mapping[SeatStatus, SeatFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatorView:
    """A campaign with what it is right now, all it says, and how it does."""

    campaign: sa.RowMapping
    phase: CampaignPhase
    wish: CampaignWish
    board: Board


async def create_campaign(
    db: AsyncSession, shop_id: UUID, wish: CampaignWish, *, now: datetime
) -> OperatorView:
    """Draft a campaign; members see nothing of it before it is scheduled."""
    await _check(db, shop_id, wish)
    return await _add(db, shop_id, wish, "created", now=now)


async def copy_campaign(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, now: datetime
) -> OperatorView:
    """Draft the same campaign once more, whatever became of the first; its figures start anew."""
    before = await _campaign(db, shop_id, campaign_id)
    wish = await _wish(db, before)
    return await _add(db, shop_id, wish, "copied", copy_of=campaign_id, now=now)


async def _add(
    db: AsyncSession,
    shop_id: UUID,
    wish: CampaignWish,
    verb: str,
    *,
    copy_of: UUID | None = None,
    now: datetime,
) -> OperatorView:
    campaign_id = new_id()
    values = _stored(wish)
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
    told = _told(wish)
    if copy_of is not None:
        told["copy_of"] = str(copy_of)
    await _note(db, verb, after, (None, told), now=now)
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
    values = {n: value for n, value in _stored(wish).items() if n in names}
    after = await repository.change(db, before, values, now=now)
    if after is None:
        raise VersionMismatch
    if "prices" in names:
        await repository.replace_prices(db, campaign_id, _price_rows(campaign_id, wish.prices))
    change = tuple({n: v for n, v in _told(w).items() if n in names} for w in (said, wish))
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
    db: AsyncSession,
    shop_id: UUID,
    campaign_id: UUID,
    *,
    ends_groups: bool,
    version: int,
    now: datetime,
) -> OperatorView:
    """End the opening of groups for good, and with `ends_groups` the groups that gather too.

    Otherwise they run on and may be joined. With it nobody joins from now on, and the worker ends
    one group after another, each paid seat refunded; who completes a group before it comes to
    that has completed it. A campaign may be stopped in one way first and in the other later, as
    one that has ended may be: its groups outlive it.
    """
    before = await _held(db, shop_id, campaign_id, version=version)
    _check_phase(before, (*_STOPPABLE, *_WITH_GROUPS) if ends_groups else _STOPPABLE, now)
    return await _move(
        db, before, CampaignStatus.STOPPED, "stopped", now=now, stop_ends_groups=ends_groups
    )


async def campaign_of_shop(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, *, now: datetime
) -> OperatorView:
    """A campaign of this shop with its figures; `NotFound` for another shop's."""
    return await _view(db, await _campaign(db, shop_id, campaign_id), now)


async def list_campaigns(
    db: AsyncSession, shop_id: UUID, wanted: CampaignPhase | None, paging: Paging, *, now: datetime
) -> Slice[OperatorView]:
    """A page of a shop's campaigns with their figures, the newest first; four statements."""
    found = await repository.campaigns_of_shop(db, shop_id, wanted, paging, now=now)
    return Slice(await _views(db, found.rows, now), found.next_after)


async def groups_of_campaign(
    db: AsyncSession, shop_id: UUID, campaign_id: UUID, wanted: GroupStatus | None, paging: Paging
) -> Slice[sa.RowMapping]:
    """A page of a campaign's groups in one status or all, the newest first."""
    await _campaign(db, shop_id, campaign_id)
    return await pages.groups_of_campaign(db, campaign_id, wanted, paging)


async def group_of_shop(
    db: AsyncSession, shop_id: UUID, group_id: UUID
) -> tuple[sa.RowMapping, Sequence[sa.RowMapping]]:
    """A group of this shop with all its seats; `NotFound` for another shop's."""
    found = await pages.group(db, group_id)
    if found is None or found["shop_id"] != shop_id:
        raise NotFound
    return found, await pages.seats_of_group(db, group_id)


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
    asked = wish.audience
    unknown = await community.unknown_groups(
        db, shop_id, community_ids=asked.community_ids, audience_ids=asked.audience_ids
    )
    if unknown:
        raise BadCampaign(reason="unknown_groups", ids=[str(each) for each in unknown])
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
    return _said(row, prices.get(row["id"], ()))


def _said(row: sa.RowMapping, prices: Sequence[GroupPriceWish]) -> CampaignWish:
    said = {name: row[name] for name in _WISH_FIELDS}
    said |= {"audience": audience_of(row["audience"]), "ladder": ladder_of(row["ladder"])}
    return CampaignWish(**said, prices=tuple(prices))


def _stored(wish: CampaignWish) -> dict[str, Any]:
    """What is said, as the campaign's row keeps it."""
    values = {name: getattr(wish, name) for name in _WISH_FIELDS}
    return values | {
        "audience": stored_audience(wish.audience),
        "ladder": stored_ladder(wish.ladder),
    }


def _told(wish: CampaignWish) -> dict[str, Any]:
    """What is said, as the audit log keeps it."""
    prices = [{k: _plain(v) for k, v in asdict(price).items()} for price in wish.prices]
    return {name: _plain(value) for name, value in _stored(wish).items()} | {"prices": prices}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


async def _move(
    db: AsyncSession,
    before: sa.RowMapping,
    status: CampaignStatus,
    verb: str,
    *,
    now: datetime,
    **values: Any,
) -> OperatorView:
    after = await repository.change_status(db, before, status, **values)
    if after is None:
        raise VersionMismatch
    change = (
        {"status": before["status"].value, **{name: before[name] for name in values}},
        {"status": status.value, **values},
    )
    await _note(db, verb, after, change, now=now)
    return await _view(db, after, now)


async def _view(db: AsyncSession, row: sa.RowMapping, now: datetime) -> OperatorView:
    return (await _views(db, [row], now))[0]


async def _views(
    db: AsyncSession, rows: Sequence[sa.RowMapping], now: datetime
) -> list[OperatorView]:
    ids = [row["id"] for row in rows]
    prices = _prices(await repository.prices_of(db, ids))
    boards = _boards(await pages.group_figures(db, ids), await pages.seat_figures(db, ids))
    return [
        OperatorView(
            row,
            _phase(row, now),
            _said(row, prices.get(row["id"], ())),
            boards.get(row["id"], Board()),
        )
        for row in rows
    ]


def _prices(rows: Sequence[sa.RowMapping]) -> dict[UUID, tuple[GroupPriceWish, ...]]:
    found: dict[UUID, tuple[GroupPriceWish, ...]] = {}
    for row in rows:
        price = GroupPriceWish(row["variant_id"], row["group_amount"], row["leader_amount"])
        found[row["campaign_id"]] = (*found.get(row["campaign_id"], ()), price)
    return found


def _boards(groups: Sequence[sa.RowMapping], seats: Sequence[sa.RowMapping]) -> dict[UUID, Board]:
    found: dict[UUID, Board] = {}
    for row in groups:
        board = found.get(row["campaign_id"], Board())
        counted = {**board.groups, row["status"]: row["groups"]}
        found[row["campaign_id"]] = replace(board, groups=counted)
    for row in seats:
        board = found.get(row["campaign_id"], Board())
        figures = SeatFigures(row["seats"], row["units"], row["goods_amount"])
        found[row["campaign_id"]] = replace(board, seats={**board.seats, row["status"]: figures})
    return found


def _price_rows(campaign_id: UUID, prices: Sequence[GroupPriceWish]) -> list[dict[str, Any]]:
    return [{"campaign_id": campaign_id, **asdict(price)} for price in prices]


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
