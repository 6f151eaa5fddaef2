"""Shapes of invitations, staff and API keys."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.core.http.schema import Line, Moment, Shown, Wish
from app.identity.rules import PlatformRole, Right, ShopRole
from app.identity.schemas.common import (
    EXAMPLE_AT,
    EXAMPLE_ID,
    Code,
    Mailbox,
    WantedPassword,
    example,
)


class InvitationWish(Wish):
    """Whom to offer which role in the shop."""

    model_config = example(email="helper@shop.example", role="staff")

    email: Mailbox
    role: ShopRole


class PlatformInvitationWish(Wish):
    """Whom to offer which role of the platform."""

    model_config = example(email="auditor@platform.example", role="auditor")

    email: Mailbox
    role: PlatformRole


class InvitationShown(Shown):
    """An invitation; its token is shown here and never again."""

    model_config = example(
        invitation_id=EXAMPLE_ID,
        token="qpi_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",  # noqa: S106 - an example
        email="helper@shop.example",
        role="staff",
        expires_at=EXAMPLE_AT,
    )

    invitation_id: UUID
    token: str
    email: str
    role: str
    expires_at: datetime


class InvitationAcceptance(Wish):
    """The token; newcomers choose a password, operators give the one they have."""

    model_config = example(
        token="qpi_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",  # noqa: S106 - an example
        password="quiet lake at dawn",  # noqa: S106 - an example
    )

    token: Code
    password: WantedPassword


class AcceptedShown(Shown):
    """Who one is now, and where."""

    model_config = example(operator_id=EXAMPLE_ID, shop_id=EXAMPLE_ID, role="staff")

    operator_id: UUID
    shop_id: UUID | None
    role: str


class StaffShown(Shown):
    """Somebody with a role in the shop."""

    model_config = example(operator_id=EXAMPLE_ID, email="helper@shop.example", role="staff")

    operator_id: UUID
    email: str
    role: ShopRole


# All rights of a shop except those over people and keys: see rules.KEY_RIGHTS.
Scope = Literal[
    Right.SHOP_READ,
    Right.SHOP_WRITE,
    Right.CATALOG_READ,
    Right.CATALOG_WRITE,
    Right.STOCK_WRITE,
    Right.PROMOTIONS_READ,
    Right.PROMOTIONS_WRITE,
    Right.GROUPBUY_READ,
    Right.GROUPBUY_WRITE,
    Right.COMMUNITY_READ,
    Right.COMMUNITY_WRITE,
    Right.ORDERS_READ,
    Right.ORDERS_WRITE,
    Right.REFUNDS_WRITE,
    Right.LEDGER_READ,
    Right.WEBHOOKS_READ,
    Right.WEBHOOKS_WRITE,
    Right.AUDIT_READ,
]


class ApiKeyWish(Wish):
    """What a key is for and what it may do; without `expires_at` it lives until revoked."""

    model_config = example(name="ERP", scopes=["catalog.read", "stock.write"])

    name: Line
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    expires_at: Moment | None = None


class ApiKeyShown(Shown):
    """A key as far as it can be told: its text was shown once."""

    api_key_id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeyMade(Shown):
    """A new key with its text, shown here and never again."""

    model_config = example(
        api_key_id=EXAMPLE_ID,
        key="qpk_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",
        name="ERP",
        prefix="qpk_8KzKQm",
        scopes=["catalog.read", "stock.write"],
        expires_at=None,
    )

    api_key_id: UUID
    key: str
    name: str
    prefix: str
    scopes: list[str]
    expires_at: datetime | None
