"""Who works in a shop: roles granted, offered by invitation, and taken away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import note
from app.core.errors import NotFound
from app.core.http.paging import Paging, Slice
from app.core.ids import new_id
from app.core.security import fingerprint, new_secret
from app.identity.errors import InvitationNotValid, LastOwner
from app.identity.models import Invitation
from app.identity.repository import keys as key_repository
from app.identity.repository import operators as repository
from app.identity.rules import InvitedRole, PlatformRole, ShopRole, normalised_email
from app.identity.service.desk import Desk
from app.identity.service.operators import check_password, create_operator

INVITATION_PREFIX = "qpi"


@dataclass(frozen=True, slots=True)
class Offer:
    """A role for whoever reads the mail of an address; without a shop, one of the platform."""

    email: str
    shop_id: UUID | None
    role: InvitedRole


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation and its token, which exists nowhere else."""

    invitation: Invitation
    token: str


async def grant_role(
    db: AsyncSession, operator_id: UUID, shop_id: UUID, role: ShopRole, *, now: datetime
) -> None:
    """Give an operator a role in a shop, in place of a lesser one: an owner stays owner."""
    before = await repository.role_of(db, operator_id, shop_id)
    if not await repository.grant_role(db, operator_id, shop_id, role):
        return
    change = ({"role": before}, {"role": role})
    subject = ("operator", operator_id)
    await note(db, "identity.role_granted", subject, at=now, shop_id=shop_id, change=change)


async def invite(db: AsyncSession, offer: Offer, *, by: UUID, desk: Desk) -> Invited:
    """Offer a role; earlier open offers of the same place to the same address end."""
    token = new_secret(INVITATION_PREFIX)
    invitation = Invitation(
        id=new_id(),
        email=normalised_email(offer.email),
        shop_id=offer.shop_id,
        role=offer.role,
        token_hash=fingerprint(token),
        invited_by=by,
        created_at=desk.now,
        expires_at=desk.now + timedelta(seconds=desk.settings.invitation_ttl_seconds),
    )
    await key_repository.invite(db, invitation)
    await note(
        db,
        "identity.invited",
        ("invitation", invitation.id),
        at=desk.now,
        shop_id=offer.shop_id,
        change=(None, {"role": offer.role}),
    )
    return Invited(invitation, token)


async def accept_invitation(
    db: AsyncSession, token: str, password: str, *, desk: Desk
) -> tuple[UUID, RowMapping]:
    """Take an invitation, once: a newcomer sets a password, a known operator proves its own.

    The token alone never changes a password: it was seen by the one who invited.
    """
    token_hash = fingerprint(token)
    invitation = await key_repository.open_invitation(db, token_hash, now=desk.now)
    if invitation is None:
        raise InvitationNotValid
    operator_id = await _proven(db, invitation["email"], password, desk=desk)
    if operator_id is None:
        async with desk.outside():
            password_hash = await desk.passwords.hash(password)
    if not await key_repository.take_invitation(db, invitation["id"], now=desk.now):
        raise InvitationNotValid
    if operator_id is None:
        operator_id = await create_operator(
            db, email=invitation["email"], password_hash=password_hash, now=desk.now
        )
    await _grant(db, operator_id, invitation, now=desk.now)
    return operator_id, invitation


async def _proven(db: AsyncSession, email: str, password: str, *, desk: Desk) -> UUID | None:
    login = await repository.login_by_email(db, email)
    if login is None:
        return None
    await check_password(db, login, password, desk=desk)
    operator_id: UUID = login["operator_id"]
    return operator_id


async def _grant(
    db: AsyncSession, operator_id: UUID, invitation: RowMapping, *, now: datetime
) -> None:
    role: str = invitation["role"]
    if invitation["shop_id"] is not None:
        await grant_role(db, operator_id, invitation["shop_id"], ShopRole(role), now=now)
    elif await repository.grant_platform_role(db, operator_id, PlatformRole(role)):
        change = (None, {"platform_role": role})
        await note(db, "identity.role_granted", ("operator", operator_id), at=now, change=change)


async def staff_of(db: AsyncSession, shop_id: UUID, paging: Paging) -> Slice[RowMapping]:
    """Those who have a role in the shop."""
    after = paging.after(UUID)
    rows = await repository.staff(db, shop_id, after[0] if after else None, paging.limit + 1)
    return paging.cut(rows, lambda row: (row["operator_id"],))


async def remove_staff(
    db: AsyncSession, shop_id: UUID, operator_id: UUID, *, now: datetime
) -> None:
    """Take a role away, with the shop's open invitations to and from its holder."""
    role = await repository.remove_role(db, operator_id, shop_id)
    if role is None:
        if await repository.role_of(db, operator_id, shop_id) is None:
            raise NotFound
        raise LastOwner
    account = await repository.me(db, operator_id)
    if account is not None:
        await key_repository.drop_invitations(
            db, shop_id, email=account["email"], invited_by=operator_id
        )
    change = ({"role": role}, {"role": None})
    subject = ("operator", operator_id)
    await note(db, "identity.role_removed", subject, at=now, shop_id=shop_id, change=change)
