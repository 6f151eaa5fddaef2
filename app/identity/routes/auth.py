"""Sign-in of members, and renewing or ending a session of anybody."""

from fastapi import APIRouter, Depends, Request

from app.core.clock import Now
from app.core.db import Db
from app.core.errors import Forbidden, NotFound, Unauthenticated
from app.core.http.limits import guard
from app.core.http.problem import problems
from app.core.http.route import TransactionalUnkeyed
from app.core.i18n import Lang
from app.identity.deps import DeskIn, SessionHolder, knock
from app.identity.errors import (
    AccountBlocked,
    RefreshRefused,
    WechatCodeRefused,
    WechatUnavailable,
)
from app.identity.schemas import common
from app.identity.schemas import members as schemas
from app.identity.service import members, sessions

router = APIRouter(prefix="/v1/auth", tags=["auth"], route_class=TransactionalUnkeyed)


@router.post(
    "/wechat",
    dependencies=[Depends(guard("wechat"))],
    responses=problems(WechatCodeRefused, WechatUnavailable, AccountBlocked),
)
async def wechat(
    wish: schemas.WechatSignIn, db: Db, desk: DeskIn, language: Lang
) -> schemas.WelcomeShown:
    """Sign in with a WeChat code; the first time makes a member."""
    newcomer = members.Newcomer(wish.nickname, language)
    welcome, grant = await members.sign_in_by_wechat(db, wish.code, newcomer, desk=desk)
    return schemas.WelcomeShown(
        member_id=welcome.member_id,
        is_new=welcome.is_new,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_in_seconds=grant.expires_in_seconds,
    )


@router.post(
    "/refresh",
    dependencies=[Depends(guard("refresh"))],
    responses=problems(RefreshRefused),
)
async def refresh(
    wish: common.Refresh, request: Request, db: Db, desk: DeskIn
) -> common.TokensShown:
    """Exchange the refresh token for new tokens; one that comes twice ends its session."""
    await knock(request, "refresh", wish.refresh_token)
    grant = await sessions.refresh(db, wish.refresh_token, desk=desk)
    return common.TokensShown.model_validate(grant)


@router.post("/sign-out", status_code=204, responses=problems(Unauthenticated, Forbidden, NotFound))
async def sign_out(holder: SessionHolder, db: Db, now: Now) -> None:
    """End the session whose access token this is, at once and for all its tokens."""
    subject_id, session_id = holder
    await sessions.end_session(db, session_id, subject_id, now=now)
