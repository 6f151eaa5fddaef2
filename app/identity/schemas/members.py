"""What members send and get: sign-in, their own account, their addresses."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from app.core.http.schema import Flag, Line, Shown, Wish
from app.core.i18n import Language
from app.identity.schemas.common import (
    EXAMPLE_AT,
    EXAMPLE_ID,
    EXAMPLE_TOKENS,
    Code,
    TokensShown,
    example,
)


def _true(flag: bool) -> bool:  # noqa: FBT001 - a validator is called with its value
    if not flag:
        raise ValueError("only true can be asked for")
    return flag


OnlyTrue = Annotated[
    bool, Field(strict=True, json_schema_extra={"const": True}), AfterValidator(_true)
]
Nickname = Annotated[Line, Field(max_length=40)]
HttpsUrl = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r"^https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?(/[\x21-\x7e]*)?$",
    ),
]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{5,15}$")]
# E.164, as it is dialled from anywhere: a plus, the country, the number.
Dialled = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
PostalCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{3,12}$")]


class Change(Wish):
    """A partial edit: what is left out stays, and so does what is null unless it may be empty."""

    may_be_empty: ClassVar[frozenset[str]] = frozenset()

    def changes(self) -> dict[str, Any]:
        """The fields to write."""
        told = {name: getattr(self, name) for name in self.model_fields_set}
        return {n: v for n, v in told.items() if v is not None or n in self.may_be_empty}


class WechatSignIn(Wish):
    """A code of `wx.login`; the nickname is used at the first sign-in only."""

    model_config = example(code="sandbox-lin", nickname="林林")

    code: Code
    nickname: Nickname | None = None


class WelcomeShown(TokensShown):
    """Tokens, and who signed in."""

    model_config = example(**EXAMPLE_TOKENS, member_id=EXAMPLE_ID, is_new=True)

    member_id: UUID
    is_new: bool


class MeShown(Shown):
    """A member's own account."""

    model_config = example(
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
    """What to change; what is left out stays, null takes name, picture or phone away."""

    model_config = example(nickname="林林", shown_to_fellows=True, phone="+8613800000000")
    may_be_empty = frozenset({"nickname", "avatar_url", "phone"})

    nickname: Nickname | None = None
    avatar_url: HttpsUrl | None = None
    shown_to_fellows: Flag | None = Field(
        default=None, description="Whether fellow members may read the nickname."
    )
    language: Language | None = None
    phone: Dialled | None = Field(
        default=None,
        description="Where the member is reached, in E.164; not verified, shown to nobody else.",
    )


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

    model_config = example(**_ADDRESS, is_default=True)

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

    model_config = example(detail="2 幢 302", is_default=True)
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

    model_config = example(address_id=EXAMPLE_ID, **_ADDRESS, is_default=True)

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
