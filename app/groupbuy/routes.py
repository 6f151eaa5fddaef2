"""Group buys over HTTP: campaigns as operators keep them, and what members look at.

Nothing is placed here: opening and joining are orders.
"""

from uuid import UUID

from fastapi import APIRouter, Response

from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Reading, Transactional
from app.core.http.versions import IfMatch, etag
from app.core.i18n import Lang
from app.groupbuy.deps import ProofKeeper
from app.groupbuy.errors import BadCampaign, CampaignNotEditable
from app.groupbuy.models import CampaignPhase, GroupStatus
from app.groupbuy.rules.campaigns import CampaignWish
from app.groupbuy.schemas import (
    AddCampaign,
    CampaignListed,
    CampaignShown,
    EditCampaign,
    GroupShareShown,
    GroupShown,
    OpenGroupShown,
    OperatorCampaignShown,
    OperatorGroupShown,
    OperatorGroupWhole,
    SeatShown,
    StopCampaign,
    wished,
)
from app.groupbuy.service import campaigns, pages
from app.identity.deps import MaybeMember, SignedIn
from app.identity.rules import Right

public = APIRouter(prefix="/v1", tags=["groupbuy"], route_class=Reading)
operators = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/campaigns", tags=["groupbuy"], route_class=Transactional
)
board = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/groups", tags=["groupbuy"], route_class=Reading
)
ROUTERS = (public, operators, board)

_READ = needs(Right.GROUPBUY_READ)
_WRITE = needs(Right.GROUPBUY_WRITE)
_ONE = "/{campaign_id}"
_GROUPS_RUN_ON = StopCampaign()


@public.get("/groups/{group_id}", responses=problems(Unauthenticated, NotFound))
async def get_group(
    group_id: UUID, member: MaybeMember, db: ReadDb, now: Now, keeper: ProofKeeper
) -> GroupShown:
    """Show a group: how many are in and missing, until when, and to its fellows who is in.

    How many fellows somebody outside the group was shown is kept, to report what came of it.
    """
    viewer_id = member.id if member else None
    view = await pages.group_page(db, group_id, viewer_id, estimate=keeper.estimate)
    keeper.keep(view, viewer_id, now)
    return GroupShown.of(view, now)


@public.get("/groups/{group_id}/share", responses=problems(NotFound))
async def share_group(group_id: UUID, db: ReadDb, now: Now, language: Lang) -> GroupShareShown:
    """Tell what a link or a poster for a group needs."""
    return GroupShareShown.of(await pages.share(db, group_id), language, now)


@public.get("/campaigns/{campaign_id}", responses=problems(NotFound))
async def get_campaign(campaign_id: UUID, db: ReadDb, now: Now) -> CampaignShown:
    """Show a campaign with its prices and everything it asks of who takes part."""
    return CampaignShown.of(await pages.campaign_page(db, campaign_id, now=now), now)


@public.get(
    "/campaigns/{campaign_id}/groups", responses=problems(Unauthenticated, NotFound, InvalidCursor)
)
async def list_open_groups(
    campaign_id: UUID, paging: Paged, member: MaybeMember, db: ReadDb, now: Now
) -> Page[OpenGroupShown]:
    """List the groups with a free seat: of the caller's communities first, then the most urgent."""
    viewer_id = member.id if member else None
    found = await pages.open_groups(db, campaign_id, viewer_id, paging, now=now)
    return paging.page(found, lambda row: OpenGroupShown.of(row, now))


@public.get("/shops/{shop_id}/campaigns", responses=problems(NotFound, InvalidCursor))
async def list_campaigns(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now
) -> Page[CampaignListed]:
    """List a shop's campaigns that run now, the newest first."""
    found = await pages.running_campaigns(db, shop_id, paging, now=now)
    return paging.page(found, CampaignListed.of)


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
    wanted = CampaignWish(**wished(wish))
    return _shown(await campaigns.create_campaign(db, shop_id, wanted, now=now), response)


@operators.get("", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_own_campaigns(
    shop_id: UUID, paging: Paged, db: ReadDb, now: Now, phase: CampaignPhase | None = None
) -> Page[OperatorCampaignShown]:
    """List a shop's campaigns in one phase or all with live figures, the newest first."""
    found = await campaigns.list_campaigns(db, shop_id, phase, paging, now=now)
    return paging.page(found, OperatorCampaignShown.of)


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
        work.db, shop_id, campaign_id, wished(wish), version=version, now=work.now
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
    shop_id: UUID,
    campaign_id: UUID,
    version: IfMatch,
    response: Response,
    work: WorkIn,
    wish: StopCampaign = _GROUPS_RUN_ON,
) -> OperatorCampaignShown:
    """End the opening of groups for good; open groups run on, or end too, refunded."""
    after = await campaigns.stop_campaign(
        work.db,
        shop_id,
        campaign_id,
        ends_groups=wish.end_groups,
        version=version,
        now=work.now,
    )
    return _shown(after, response)


@operators.post(_ONE + "/copy", status_code=201, dependencies=_WRITE, responses=refusals())
async def copy_campaign(
    shop_id: UUID, campaign_id: UUID, response: Response, work: WorkIn
) -> OperatorCampaignShown:
    """Draft the same campaign once more; its window may have to be moved before it is scheduled."""
    after = await campaigns.copy_campaign(work.db, shop_id, campaign_id, now=work.now)
    return _shown(after, response)


@operators.get(_ONE + "/groups", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_groups(
    shop_id: UUID,
    campaign_id: UUID,
    paging: Paged,
    db: ReadDb,
    now: Now,
    status: GroupStatus | None = None,
) -> Page[OperatorGroupShown]:
    """List a campaign's groups in one status or all, the newest first."""
    found = await campaigns.groups_of_campaign(db, shop_id, campaign_id, status, paging)
    return paging.page(found, lambda row: OperatorGroupShown.of(row, now))


@board.get("/{group_id}", dependencies=_READ, responses=refusals())
async def get_group_of_shop(
    shop_id: UUID, group_id: UUID, db: ReadDb, now: Now
) -> OperatorGroupWhole:
    """Show a group with all its seats, also those given up and owed their money."""
    group, seats = await campaigns.group_of_shop(db, shop_id, group_id)
    return OperatorGroupWhole.whole(group, seats, now)


def _shown(view: campaigns.OperatorView, response: Response) -> OperatorCampaignShown:
    response.headers["ETag"] = etag(view.campaign["version"])
    return OperatorCampaignShown.of(view)
