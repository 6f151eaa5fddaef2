"""Who and what gets into a shop: invitations, staff, API keys.

POSTs whose answer carries a secret shown once take no Idempotency-Key: the kept answer would hold
the secret in clear for two days. A lost answer leaves an invitation that the next one replaces,
or a key that is seen in the list and revoked there.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import (
    AlreadyExists,
    Forbidden,
    InvalidCursor,
    NotFound,
    Unauthenticated,
)
from app.core.http.limits import guard
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Transactional, TransactionalUnkeyed
from app.core.security import Principal
from app.identity.deps import DeskIn, knock, may, platform
from app.identity.errors import CredentialsRefused, InvitationNotValid, LastOwner
from app.identity.rules import InvitedRole, Right
from app.identity.schemas import access as schemas
from app.identity.service import api_keys, staff

StaffManager = Annotated[Principal, Depends(may(Right.STAFF_WRITE))]
KeyManager = Annotated[Principal, Depends(may(Right.API_KEYS_WRITE))]
PlatformManager = Annotated[Principal, Depends(platform(Right.PLATFORM_WRITE))]

IN_SHOP = problems(Unauthenticated, Forbidden, NotFound)

doors = APIRouter(prefix="/v1/operator", tags=["access"], route_class=TransactionalUnkeyed)
router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}",
    tags=["access"],
    route_class=Transactional,
    responses=IN_SHOP,
)


@doors.post(
    "/shops/{shop_id}/invitations",
    status_code=201,
    dependencies=[Depends(guard("invitations"))],
    responses=IN_SHOP,
)
async def invite(
    shop_id: UUID,
    wish: schemas.InvitationWish,
    by: StaffManager,
    request: Request,
    db: Db,
    desk: DeskIn,
) -> schemas.InvitationShown:
    """Offer a role in the shop; the token is shown once and replaces an earlier open offer.

    Takes no Idempotency-Key, as the kept answer would hold the token.
    """
    await knock(request, "invitations", str(by.id))
    offer = staff.Offer(wish.email, shop_id, InvitedRole(wish.role))
    return _shown(await staff.invite(db, offer, by=by.id, desk=desk))


@doors.post(
    "/invitations",
    status_code=201,
    dependencies=[Depends(guard("invitations"))],
    responses=problems(Unauthenticated, Forbidden),
)
async def invite_to_platform(
    wish: schemas.PlatformInvitationWish,
    by: PlatformManager,
    request: Request,
    db: Db,
    desk: DeskIn,
) -> schemas.InvitationShown:
    """Offer a role of the platform; the token is shown once.

    Takes no Idempotency-Key, as the kept answer would hold the token.
    """
    await knock(request, "invitations", str(by.id))
    offer = staff.Offer(wish.email, None, InvitedRole(wish.role))
    return _shown(await staff.invite(db, offer, by=by.id, desk=desk))


@doors.post(
    "/invitations/accept",
    dependencies=[Depends(guard("invitations.accept"))],
    responses=problems(InvitationNotValid, CredentialsRefused, AlreadyExists),
)
async def accept_invitation(
    wish: schemas.InvitationAcceptance, request: Request, db: Db, desk: DeskIn
) -> schemas.AcceptedShown:
    """Take an invitation, once: newcomers choose a password, operators give the one they have."""
    await knock(request, "invitations.accept", wish.token)
    operator_id, invitation = await staff.accept_invitation(
        db, wish.token, wish.password.get_secret_value(), desk=desk
    )
    return schemas.AcceptedShown(
        operator_id=operator_id, shop_id=invitation["shop_id"], role=invitation["role"]
    )


@router.get("/staff", responses=problems(InvalidCursor))
async def list_staff(
    shop_id: UUID, _by: StaffManager, db: ReadDb, paging: Paged
) -> Page[schemas.StaffShown]:
    """Show who has a role in the shop."""
    people = await staff.staff_of(db, shop_id, paging)
    return paging.page(people, lambda row: schemas.StaffShown(**row))


@router.delete("/staff/{operator_id}", status_code=204, responses=problems(LastOwner))
async def remove_staff(
    shop_id: UUID, operator_id: UUID, _by: StaffManager, db: Db, now: Now
) -> None:
    """Take somebody's role away, at once; the last owner stays."""
    await staff.remove_staff(db, shop_id, operator_id, now=now)


@doors.post("/shops/{shop_id}/api-keys", status_code=201, responses=IN_SHOP)
async def create_api_key(
    shop_id: UUID, wish: schemas.ApiKeyWish, by: KeyManager, db: Db, now: Now
) -> schemas.ApiKeyMade:
    """Make an API key; its text is shown once.

    Takes no Idempotency-Key, as the kept answer would hold the key.
    """
    new = api_keys.NewKey(wish.name, wish.scopes, wish.expires_at)
    made = await api_keys.create_key(db, shop_id, new, by=by.id, now=now)
    row = made.row
    return schemas.ApiKeyMade(
        api_key_id=row.id,
        key=made.text,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        expires_at=row.expires_at,
    )


@router.get("/api-keys", responses=problems(InvalidCursor))
async def list_api_keys(
    shop_id: UUID, _by: KeyManager, db: ReadDb, paging: Paged
) -> Page[schemas.ApiKeyShown]:
    """Show the shop's API keys, newest first, revoked ones too; never their texts."""
    keys = await api_keys.keys_of(db, shop_id, paging)
    return paging.page(keys, lambda row: schemas.ApiKeyShown(**row))


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_api_key(shop_id: UUID, key_id: UUID, _by: KeyManager, db: Db, now: Now) -> None:
    """Revoke an API key, at once."""
    await api_keys.revoke_key(db, shop_id, key_id, now=now)


def _shown(invited: staff.Invited) -> schemas.InvitationShown:
    invitation = invited.invitation
    return schemas.InvitationShown(
        invitation_id=invitation.id,
        token=invited.token,
        email=invitation.email,
        role=invitation.role,
        expires_at=invitation.expires_at,
    )
