"""Group buys over HTTP: campaigns as operators keep them, and what members look at.

Nothing is placed here: opening and joining are orders.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Response

from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Reading, Transactional
from app.core.http.versions import IfMatch, etag
from app.groupbuy.errors import BadCampaign, CampaignNotEditable
from app.groupbuy.models import CampaignPhase
from app.groupbuy.rules import CampaignWish, GroupPriceWish
from app.groupbuy.schemas import (
    AddCampaign,
    CampaignListed,
    CampaignPriceShown,
    CampaignShown,
    EditCampaign,
    GroupAmount,
    GroupCounts,
    GroupShown,
    OpenGroupShown,
    OperatorCampaignShown,
    SeatShown,
)
from app.groupbuy.service import campaigns, pages
from app.identity.deps import MaybeMember, SignedIn
from app.identity.rules import Right

public = APIRouter(prefix="/v1", tags=["groupbuy"], route_class=Reading)
operators = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/campaigns", tags=["groupbuy"], route_class=Transactional
)
ROUTERS = (public, operators)

_READ = needs(Right.GROUPBUY_READ)
_WRITE = needs(Right.GROUPBUY_WRITE)
_ONE = "/{campaign_id}"


@public.get("/groups/{group_id}", responses=problems(Unauthenticated, NotFound))
async def get_group(group_id: UUID, member: MaybeMember, db: ReadDb, now: Now) -> GroupShown:
    """Show a group: how many are in and missing, until when, and to its fellows who is in."""
    viewer_id = member.id if member else None
    return _group(await pages.group_page(db, group_id, viewer_id), now)


@public.get("/campaigns/{campaign_id}", responses=problems(NotFound))
async def get_campaign(campaign_id: UUID, db: ReadDb, now: Now) -> CampaignShown:
    """Show a campaign with its prices: as listed, bought alone, and together."""
    found = await pages.campaign_page(db, campaign_id, now=now)
    return CampaignShown(
        **_fields(found.campaign, CampaignShown),
        phase=found.phase,
        server_now=now,
        currency=found.currency,
        prices=[CampaignPriceShown.model_validate(price) for price in found.prices],
    )


@public.get("/campaigns/{campaign_id}/groups", responses=problems(NotFound, InvalidCursor))
async def list_open_groups(
    campaign_id: UUID, paging: Paged, db: ReadDb, now: Now
) -> Page[OpenGroupShown]:
    """List the groups with a free seat, the most urgent first."""
    found = await pages.open_groups(db, campaign_id, paging, now=now)
    return paging.page(found, lambda row: _open_group(row, now))


@public.get("/shops/{shop_id}/campaigns", responses=problems(NotFound, InvalidCursor))
async def list_campaigns(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now
) -> Page[CampaignListed]:
    """List a shop's campaigns that run now, the newest first."""
    found = await pages.running_campaigns(db, shop_id, paging, now=now)
    return paging.page(found, _listed)


@public.get("/me/groups", responses=problems(Unauthenticated, Forbidden, InvalidCursor))
async def list_my_groups(member: SignedIn, paging: Paged, db: ReadDb) -> Page[SeatShown]:
    """List the caller's seats with their groups, given-up ones too, the newest first."""
    found = await pages.my_seats(db, member.id, paging)
    return paging.page(found, lambda row: SeatShown.model_validate(dict(row)))


@operators.post("", status_code=201, dependencies=_WRITE, responses=refusals(BadCampaign))
async def create_campaign(
    shop_id: UUID, wish: AddCampaign, response: Response, db: Db, now: Now
) -> OperatorCampaignShown:
    """Draft a campaign for one product; members see it from its scheduling on."""
    wanted = CampaignWish(**_said(wish))
    return _shown(await campaigns.create_campaign(db, shop_id, wanted, now=now), response)


@operators.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_own_campaigns(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now, phase: CampaignPhase | None = None
) -> Page[OperatorCampaignShown]:
    """List a shop's campaigns in one phase or all with live figures, the newest first."""
    found = await campaigns.list_campaigns(db, shop_id, phase, paging, now=now)
    return paging.page(found, _operator_campaign)


@operators.get(_ONE, dependencies=_READ, responses=refusals())
async def get_own_campaign(
    shop_id: UUID, campaign_id: UUID, response: Response, db: ReadDb, now: Now
) -> OperatorCampaignShown:
    """Show a campaign with live figures, its version as ETag."""
    return _shown(await campaigns.campaign_of_shop(db, shop_id, campaign_id, now=now), response)


@operators.patch(
    _ONE, dependencies=_WRITE, responses=refusals(BadCampaign, CampaignNotEditable, *STALE)
)
async def edit_campaign(
    shop_id: UUID,
    campaign_id: UUID,
    wish: EditCampaign,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> OperatorCampaignShown:
    """Change a campaign that has not begun."""
    after = await campaigns.edit_campaign(
        work.db, shop_id, campaign_id, _said(wish), version=version, now=work.now
    )
    return _shown(after, response)


@operators.post(
    _ONE + "/schedule",
    dependencies=_WRITE,
    responses=refusals(BadCampaign, CampaignNotEditable, *STALE),
)
async def schedule_campaign(
    shop_id: UUID, campaign_id: UUID, version: IfMatch, response: Response, work: WorkIn
) -> OperatorCampaignShown:
    """Let a draft run in its window."""
    after = await campaigns.schedule_campaign(
        work.db, shop_id, campaign_id, version=version, now=work.now
    )
    return _shown(after, response)


@operators.post(
    _ONE + "/stop", dependencies=_WRITE, responses=refusals(CampaignNotEditable, *STALE)
)
async def stop_campaign(
    shop_id: UUID, campaign_id: UUID, version: IfMatch, response: Response, work: WorkIn
) -> OperatorCampaignShown:
    """End the opening of groups for good; open groups run on."""
    after = await campaigns.stop_campaign(
        work.db, shop_id, campaign_id, version=version, now=work.now
    )
    return _shown(after, response)


def _said(wish: AddCampaign | EditCampaign) -> dict[str, Any]:
    said = wish.model_dump(exclude_unset=isinstance(wish, EditCampaign))
    if "prices" in said:
        said["prices"] = tuple(
            sorted(
                (GroupPriceWish(p.variant_id, p.group_amount) for p in wish.prices),
                key=lambda price: price.variant_id,
            )
        )
    return said


def _fields(row: sa.RowMapping, shape: Any) -> dict[str, Any]:
    return {name: row[name] for name in shape.model_fields if name in row}


def _shown(view: campaigns.OperatorView, response: Response) -> OperatorCampaignShown:
    response.headers["ETag"] = etag(view.campaign["version"])
    return _operator_campaign(view)


def _operator_campaign(view: campaigns.OperatorView) -> OperatorCampaignShown:
    board = view.board
    return OperatorCampaignShown(
        **_fields(view.campaign, OperatorCampaignShown),
        phase=view.phase,
        prices=[GroupAmount(**asdict(price)) for price in view.prices],
        groups=GroupCounts(**{status.value: n for status, n in board.groups.items()}),
        seats_taken=board.seats_taken,
        seats_paid=board.seats_paid,
    )


def _listed(card: pages.CampaignCard) -> CampaignListed:
    return CampaignListed(
        **_fields(card.campaign, CampaignListed),
        currency=card.currency,
        lowest_group_amount=card.lowest_group_amount,
    )


def _open_group(row: sa.RowMapping, now: datetime) -> OpenGroupShown:
    return OpenGroupShown(
        id=row["id"],
        size=row["capacity"],
        paid=row["paid"],
        seats_left=row["capacity"] - row["taken"],
        deadline_at=row["deadline_at"],
        server_now=now,
    )


def _group(view: pages.GroupView, now: datetime) -> GroupShown:
    row = view.group
    return GroupShown(
        **_fields(row, GroupShown),
        size=row["capacity"],
        seats_left=row["capacity"] - row["taken"],
        server_now=now,
        leader_name=view.leader_name,
        member_names=list(view.member_names),
        others_count=view.others_count,
        mine=view.is_mine,
    )
