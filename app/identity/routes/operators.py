"""Operators' own accounts: signing in, password, sessions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request

from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.limits import guard
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Transactional, TransactionalUnkeyed
from app.core.security import Principal
from app.identity.deps import DeskIn, OperatorIn, knock
from app.identity.errors import CredentialsRefused
from app.identity.rules import ShopRole
from app.identity.schemas import operators as schemas
from app.identity.schemas.common import TokensShown
from app.identity.service import operators, sessions

doors = APIRouter(prefix="/v1/operator/auth", tags=["operator"], route_class=TransactionalUnkeyed)
router = APIRouter(
    prefix="/v1/operator",
    tags=["operator"],
    route_class=Transactional,
    responses=problems(Unauthenticated, Forbidden),
)


@doors.post(
    "/sign-in",
    dependencies=[Depends(guard("operator.sign_in"))],
    responses=problems(CredentialsRefused),
)
async def sign_in(
    form: Annotated[schemas.PasswordForm, Form()], request: Request, db: Db, desk: DeskIn
) -> TokensShown:
    """Sign in with e-mail and password (OAuth 2.0 password form)."""
    await knock(request, "operator.sign_in", form.username)
    password = form.password.get_secret_value()
    grant = await operators.sign_in(db, form.username, password, desk=desk)
    return TokensShown.model_validate(grant)


@doors.post(
    "/password",
    status_code=204,
    dependencies=[Depends(guard("operator.password"))],
    responses=problems(Unauthenticated, Forbidden, CredentialsRefused),
)
async def change_password(
    wish: schemas.PasswordChange, operator: OperatorIn, request: Request, db: Db, desk: DeskIn
) -> None:
    """Change the password; all other sessions of the operator end.

    It takes no Idempotency-Key: a key's row would keep a hash of the body, hence of both
    passwords. Sent again it is refused, as the current password is another one by then.
    """
    await knock(request, "operator.password", str(operator.id))
    await operators.change_password(
        db,
        operator.id,
        _session_of(operator),
        operators.NewPassword(
            wish.current_password.get_secret_value(), wish.new_password.get_secret_value()
        ),
        desk=desk,
    )


@router.get("/me")
async def me(operator: OperatorIn, db: ReadDb) -> schemas.OperatorMeShown:
    """Show one's own account and its roles."""
    row = await operators.me(db, operator.id)
    roles = [
        schemas.ShopRoleShown(shop_id=shop_id, role=ShopRole(role))
        for shop_id, role in operator.shop_roles.items()
    ]
    return schemas.OperatorMeShown(**row, shop_roles=roles)


@router.get("/sessions", responses=problems(InvalidCursor))
async def list_sessions(
    operator: OperatorIn, db: ReadDb, paging: Paged, now: Now
) -> Page[schemas.SessionShown]:
    """Show where one is signed in, newest first."""
    live = await sessions.sessions_of(db, operator.id, paging, now=now)
    current = operator.session_id
    return paging.page(
        live, lambda row: schemas.SessionShown(**row, current=row["session_id"] == current)
    )


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(NotFound))
async def end_session(session_id: UUID, operator: OperatorIn, db: Db, now: Now) -> None:
    """Sign out elsewhere: end one of one's own sessions."""
    await sessions.end_session(db, session_id, operator.id, now=now)


def _session_of(operator: Principal) -> UUID:
    if operator.session_id is None:
        raise Unauthenticated
    return operator.session_id
