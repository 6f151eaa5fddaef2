"""What operators send and get about themselves: sign-in, password, sessions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.core.http.schema import Shown, Wish
from app.identity.rules import PlatformRole, ShopRole
from app.identity.schemas.common import (
    EXAMPLE_AT,
    EXAMPLE_ID,
    Mailbox,
    Password,
    WantedPassword,
    example,
)


class PasswordForm(BaseModel):
    """OAuth 2.0 password grant; the fields beside name and password are accepted and ignored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "grant_type": "password",
                    "username": "owner@shop.example",
                    "password": "quiet lake at dawn",
                }
            ]
        },
    )

    grant_type: Annotated[str, StringConstraints(pattern=r"^password$")] = "password"
    username: Mailbox
    password: Password
    scope: Annotated[str, Field(max_length=200)] = ""
    client_id: Annotated[str | None, Field(max_length=200)] = None
    client_secret: Annotated[SecretStr | None, Field(max_length=200)] = None


class ShopRoleShown(Shown):
    """A role in one shop."""

    shop_id: UUID
    role: ShopRole


class OperatorMeShown(Shown):
    """An operator's own account."""

    model_config = example(
        operator_id=EXAMPLE_ID,
        email="owner@shop.example",
        platform_role=None,
        shop_roles=[{"shop_id": EXAMPLE_ID, "role": "owner"}],
        password_changed_at=EXAMPLE_AT,
        created_at=EXAMPLE_AT,
    )

    operator_id: UUID
    email: str
    platform_role: PlatformRole | None
    shop_roles: list[ShopRoleShown]
    password_changed_at: datetime
    created_at: datetime


class PasswordChange(Wish):
    """The password held and the one wanted."""

    model_config = example(
        current_password="quiet lake at dawn",  # noqa: S106 - an example
        new_password="eleven green bottles",  # noqa: S106 - an example
    )

    current_password: Password
    new_password: WantedPassword


class SessionShown(Shown):
    """One signed-in device."""

    model_config = example(
        session_id=EXAMPLE_ID, current=True, created_at=EXAMPLE_AT, expires_at=EXAMPLE_AT
    )

    session_id: UUID
    current: bool
    created_at: datetime
    expires_at: datetime
