"""Who calls, and may they: the authenticator, and the dependencies that guard routes."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer, OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import Now
from app.core.errors import Forbidden, NotFound, Unauthenticated
from app.core.http.limits import RateLimits
from app.core.http.route import GoOutside, require_principal
from app.core.security import Claims, Principal, PrincipalKind, Tokens, fingerprint
from app.identity.repository import sessions as repository
from app.identity.rules import Right, rights_of_platform, rights_of_role, rights_of_scopes
from app.identity.service.api_keys import KEY_PREFIX
from app.identity.service.desk import Desk

# These only describe the credentials in OpenAPI; `authenticate` reads them, once per request.
_MEMBER_TOKEN = Security(HTTPBearer(scheme_name="member", auto_error=False))
_OPERATOR_TOKEN = Security(
    OAuth2PasswordBearer("/v1/operator/auth/sign-in", scheme_name="operator", auto_error=False)
)
_API_KEY = Security(HTTPBearer(scheme_name="api_key", bearerFormat="qpk_…", auto_error=False))


async def authenticate(request: Request, db: AsyncSession) -> Principal | None:
    """The caller in one statement: `None` without credentials, `Unauthenticated` with bad ones."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    now: datetime = request.app.state.clock.now()
    if credentials.startswith(f"{KEY_PREFIX}_"):
        return await _by_key(db, credentials, now)
    tokens: Tokens = request.app.state.tokens
    return await _by_claims(db, tokens.read_access(credentials, now=now), now)


async def _by_key(db: AsyncSession, text: str, now: datetime) -> Principal:
    row = await repository.live_key(db, fingerprint(text), now=now)
    if row is None:
        raise Unauthenticated
    return Principal(
        PrincipalKind.API_KEY,
        row["id"],
        shop_roles={row["shop_id"]: "api_key"},
        scopes=frozenset(row["scopes"]),
    )


async def _by_claims(db: AsyncSession, claims: Claims, now: datetime) -> Principal:
    if claims.kind is PrincipalKind.MEMBER:
        if await repository.has_member(db, claims.session_id, claims.subject, now=now):
            return Principal(claims.kind, claims.subject, claims.session_id)
        raise Unauthenticated
    rows = await repository.operator_rows(db, claims.session_id, claims.subject, now=now)
    if claims.kind is not PrincipalKind.OPERATOR or not rows:
        raise Unauthenticated
    return Principal(
        claims.kind,
        claims.subject,
        claims.session_id,
        platform_role=rows[0]["platform_role"],
        shop_roles={row["shop_id"]: row["role"] for row in rows if row["shop_id"] is not None},
    )


async def _member(request: Request, _: Annotated[object, _MEMBER_TOKEN]) -> Principal:
    principal = require_principal(request)
    if principal.kind is not PrincipalKind.MEMBER:
        raise Forbidden
    return principal


async def _maybe_member(request: Request) -> Principal | None:
    if request.state.unauthenticated is not None:
        raise request.state.unauthenticated
    principal: Principal | None = request.state.principal
    if principal is None or principal.kind is not PrincipalKind.MEMBER:
        return None
    return principal


async def _operator(request: Request, _: Annotated[object, _OPERATOR_TOKEN]) -> Principal:
    principal = require_principal(request)
    if principal.kind is not PrincipalKind.OPERATOR:
        raise Forbidden
    return principal


async def _session_holder(
    request: Request,
    _: Annotated[object, _MEMBER_TOKEN],
    __: Annotated[object, _OPERATOR_TOKEN],
) -> tuple[UUID, UUID]:
    principal = require_principal(request)
    if principal.session_id is None:
        raise Forbidden
    return principal.id, principal.session_id


def rights_in(principal: Principal, shop_id: UUID) -> frozenset[Right]:
    """What the caller may do in a shop; `NotFound` for operators and keys it does not know.

    Said like that of a shop that does not exist, so that nobody learns which shops there are.
    """
    if principal.kind is PrincipalKind.MEMBER:
        raise Forbidden
    if principal.platform_role is None and shop_id not in principal.shop_roles:
        raise NotFound
    if principal.kind is PrincipalKind.API_KEY:
        return rights_of_scopes(principal.scopes)
    role = principal.shop_roles.get(shop_id)
    return rights_of_role(role) | rights_of_platform(principal.platform_role)


def may(right: Right) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the operator or API key that has this right in the shop of the path."""

    async def permitted(
        request: Request,
        shop_id: UUID,
        _: Annotated[object, _OPERATOR_TOKEN],
        __: Annotated[object, _API_KEY],
    ) -> Principal:
        principal = require_principal(request)
        if right not in rights_in(principal, shop_id):
            raise Forbidden(right=right.value)
        return principal

    return permitted


def may_somewhere(right: Right) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the right in the shop of the query, or on the platform where none is named."""

    async def permitted(
        request: Request,
        _: Annotated[object, _OPERATOR_TOKEN],
        __: Annotated[object, _API_KEY],
        shop_id: UUID | None = None,
    ) -> Principal:
        principal = require_principal(request)
        if shop_id is None:
            rights = rights_of_platform(principal.platform_role)
        else:
            rights = rights_in(principal, shop_id)
        if right not in rights:
            raise Forbidden(right=right.value)
        return principal

    return permitted


def platform(right: Right) -> Callable[..., Awaitable[Principal]]:
    """A dependency: the operator whose platform role has this right; no shop is asked about."""

    async def permitted(request: Request, _: Annotated[object, _OPERATOR_TOKEN]) -> Principal:
        principal = require_principal(request)
        if right not in rights_of_platform(principal.platform_role):
            raise Forbidden(right=right.value)
        return principal

    return permitted


async def _desk(request: Request, outside: GoOutside, now: Now) -> Desk:
    state = request.app.state
    return Desk(state.settings, state.tokens, state.passwords, state.wechat, outside, now)


async def knock(request: Request, door: str, name: str) -> None:
    """Count a knock at a door under an account's name, of which only a fingerprint is kept."""
    limits: RateLimits = request.app.state.limits
    await limits.knock(request, f"{door}.account", fingerprint(name))


SignedIn = Annotated[Principal, Depends(_member)]
MaybeMember = Annotated[Principal | None, Depends(_maybe_member)]
OperatorIn = Annotated[Principal, Depends(_operator)]
SessionHolder = Annotated[tuple[UUID, UUID], Depends(_session_holder)]
DeskIn = Annotated[Desk, Depends(_desk)]
