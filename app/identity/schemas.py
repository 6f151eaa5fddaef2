"""What clients of identity send and get."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.core.http.schema import Email, Flag, Line, Moment, Shown, Wish
from app.core.i18n import Language
from app.identity.rules import PlatformRole, Right, ShopRole, normalised_email

EXAMPLE_ID = "01980c5e-7a40-7c4e-9d0f-2f1f5a5cf7a1"
EXAMPLE_AT = "2026-06-18T04:00:00Z"
EXAMPLE_TOKENS = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.bm8",
    "refresh_token": "qpr_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",
    "token_type": "bearer",
    "expires_in_seconds": 900,
}
EMAIL_CHARS_MAX = 254


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


def _mailbox(email: str) -> str:
    mailbox = normalised_email(email)
    # Lower-casing makes a few letters longer.
    if len(mailbox) > EMAIL_CHARS_MAX:
        raise ValueError("the address is too long")
    return mailbox


Mailbox = Annotated[Email, AfterValidator(_mailbox)]


def _true(flag: bool) -> bool:  # noqa: FBT001 - a validator is called with its value
    if not flag:
        raise ValueError("only true can be asked for")
    return flag


OnlyTrue = Annotated[
    bool, Field(strict=True, json_schema_extra={"const": True}), AfterValidator(_true)
]
Code = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,256}$")]
Nickname = Annotated[Line, Field(max_length=40)]
HttpsUrl = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r"^https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?(/[\x21-\x7e]*)?$",
    ),
]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{5,15}$")]
PostalCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{3,12}$")]


def _encodable(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    return secret


Password = Annotated[SecretStr, Field(min_length=1, max_length=128), AfterValidator(_encodable)]
WantedPassword = Annotated[
    SecretStr, Field(min_length=10, max_length=128), AfterValidator(_encodable)
]


class Change(Wish):
    """A partial edit: what is left out stays, and so does what is null unless it may be empty."""

    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    def changes(self) -> dict[str, Any]:
        """The fields to write."""
        told = {name: getattr(self, name) for name in self.model_fields_set}
        return {n: v for n, v in told.items() if v is not None or n in self.may_be_empty}


class WechatSignIn(Wish):
    """A code of `wx.login`; the nickname is used at the first sign-in only."""

    model_config = _example(code="sandbox-lin", nickname="林林")

    code: Code
    nickname: Nickname | None = None


class Refresh(Wish):
    """The refresh token got last."""

    model_config = _example(refresh_token=EXAMPLE_TOKENS["refresh_token"])

    refresh_token: Code


class TokensShown(Shown):
    """Tokens to act with; `refresh_token` works once and is answered with its successor."""

    model_config = _example(**EXAMPLE_TOKENS)

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a kind of token
    expires_in_seconds: int


class WelcomeShown(TokensShown):
    """Tokens, and who signed in."""

    model_config = _example(**EXAMPLE_TOKENS, member_id=EXAMPLE_ID, is_new=True)

    member_id: UUID
    is_new: bool


class MeShown(Shown):
    """A member's own account."""

    model_config = _example(
        member_id=EXAMPLE_ID,
        nickname="林林",
        avatar_url="https://img.example.com/lin.png",
        shown_to_fellows=True,
        language="zh-CN",
        phone="+8613800000000",
        created_at=EXAMPLE_AT,
    )

    member_id: UUID
    nickname: str | None
    avatar_url: str | None
    shown_to_fellows: bool
    language: Language
    phone: str | None
    created_at: datetime


class MeChange(Change):
    """What to change; what is left out stays, null takes the name or the picture away."""

    model_config = _example(nickname="林林", shown_to_fellows=True)
    may_be_empty = frozenset({"nickname", "avatar_url"})

    nickname: Nickname | None = None
    avatar_url: HttpsUrl | None = None
    shown_to_fellows: Flag | None = Field(
        default=None, description="Whether fellow members may read the nickname."
    )
    language: Language | None = None


_ADDRESS = {
    "recipient": "林小满",
    "phone": "13800000000",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "street": "文三路 100 号",
    "detail": "2 幢 301",
    "postal_code": "310012",
}


class AddressWish(Wish):
    """A new address; the first one becomes the default anyway."""

    model_config = _example(**_ADDRESS, is_default=True)

    recipient: Line
    phone: Phone
    province: Line
    city: Line
    district: Line
    street: Line
    detail: Line
    postal_code: PostalCode | None = None
    is_default: Flag = False


class AddressChange(Change):
    """What to change; what is left out stays, null takes the postal code away."""

    model_config = _example(detail="2 幢 302", is_default=True)
    may_be_empty = frozenset({"postal_code"})

    recipient: Line | None = None
    phone: Phone | None = None
    province: Line | None = None
    city: Line | None = None
    district: Line | None = None
    street: Line | None = None
    detail: Line | None = None
    postal_code: PostalCode | None = None
    is_default: OnlyTrue | None = Field(
        default=None, description="Another default is chosen; having none is not."
    )


class AddressShown(Shown):
    """One address of the member's own."""

    model_config = _example(address_id=EXAMPLE_ID, **_ADDRESS, is_default=True)

    address_id: UUID
    recipient: str
    phone: str
    province: str
    city: str
    district: str
    street: str
    detail: str
    postal_code: str | None
    is_default: bool


class AddressesShown(Shown):
    """The whole address book, the default first."""

    items: list[AddressShown]


class PasswordForm(BaseModel):
    """OAuth 2.0 password grant; the fields beside name and password are accepted and ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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

    model_config = _example(
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

    model_config = _example(
        current_password="quiet lake at dawn",  # noqa: S106 - an example
        new_password="eleven green bottles",  # noqa: S106 - an example
    )

    current_password: Password
    new_password: WantedPassword


class SessionShown(Shown):
    """One signed-in device."""

    model_config = _example(
        session_id=EXAMPLE_ID, current=True, created_at=EXAMPLE_AT, expires_at=EXAMPLE_AT
    )

    session_id: UUID
    current: bool
    created_at: datetime
    expires_at: datetime


class InvitationWish(Wish):
    """Whom to offer which role in the shop."""

    model_config = _example(email="helper@shop.example", role="staff")

    email: Mailbox
    role: ShopRole


class PlatformInvitationWish(Wish):
    """Whom to offer which role of the platform."""

    model_config = _example(email="auditor@platform.example", role="auditor")

    email: Mailbox
    role: PlatformRole


class InvitationShown(Shown):
    """An invitation; its token is shown here and never again."""

    model_config = _example(
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

    model_config = _example(
        token="qpi_8KzKQm3mO0J0lW6m0m7H1bq2YJmR3xkQ5f7wS1uV9cA",  # noqa: S106 - an example
        password="quiet lake at dawn",  # noqa: S106 - an example
    )

    token: Code
    password: WantedPassword


class AcceptedShown(Shown):
    """Who one is now, and where."""

    model_config = _example(operator_id=EXAMPLE_ID, shop_id=EXAMPLE_ID, role="staff")

    operator_id: UUID
    shop_id: UUID | None
    role: str


class StaffShown(Shown):
    """Somebody with a role in the shop."""

    model_config = _example(operator_id=EXAMPLE_ID, email="helper@shop.example", role="staff")

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
    Right.AUDIT_READ,
]


class ApiKeyWish(Wish):
    """What a key is for and what it may do; without `expires_at` it lives until revoked."""

    model_config = _example(name="ERP", scopes=["catalog.read", "stock.write"])

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

    model_config = _example(
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
