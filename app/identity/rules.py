"""Pure decisions of identity: who may do what, and what an e-mail address is the same as."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Right(StrEnum):
    """One thing a caller may be allowed to do; the scopes of API keys are rights too."""

    SHOP_READ = "shop.read"
    SHOP_WRITE = "shop.write"
    CATALOG_READ = "catalog.read"
    CATALOG_WRITE = "catalog.write"
    STOCK_WRITE = "stock.write"
    PROMOTIONS_READ = "promotions.read"
    PROMOTIONS_WRITE = "promotions.write"
    GROUPBUY_READ = "groupbuy.read"
    GROUPBUY_WRITE = "groupbuy.write"
    COMMUNITY_READ = "community.read"
    COMMUNITY_WRITE = "community.write"
    ORDERS_READ = "orders.read"
    ORDERS_WRITE = "orders.write"
    REFUNDS_WRITE = "refunds.write"
    LEDGER_READ = "ledger.read"
    REFUNDS_APPROVE = "refunds.approve"
    REFUND_LIMIT_WRITE = "refund_limit.write"
    STAFF_WRITE = "staff.write"
    API_KEYS_WRITE = "api_keys.write"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    AUDIT_READ = "audit.read"
    PLATFORM_WRITE = "platform.write"


class ShopRole(StrEnum):
    """What an operator is in one shop."""

    OWNER = "owner"
    STAFF = "staff"
    AUDITOR = "auditor"


class PlatformRole(StrEnum):
    """What an operator is in all shops at once."""

    ADMIN = "admin"
    AUDITOR = "auditor"


class InvitedRole(StrEnum):
    """What an invitation can offer: a role in its shop or, without a shop, one of the platform."""

    OWNER = "owner"
    STAFF = "staff"
    AUDITOR = "auditor"
    ADMIN = "admin"


_SHOP_RIGHTS = frozenset(Right) - {Right.PLATFORM_WRITE}
_READ_RIGHTS = frozenset(right for right in Right if right.endswith(".read"))
# Who may lift the limit of refunds needs no second operator, so staff may not; and whoever adds an
# endpoint sends all that happens in the shop to wherever they like.
_TRUSTED_RIGHTS = frozenset(
    {
        Right.LEDGER_READ,
        Right.REFUND_LIMIT_WRITE,
        Right.STAFF_WRITE,
        Right.API_KEYS_WRITE,
        Right.WEBHOOKS_WRITE,
        Right.AUDIT_READ,
    }
)

ROLE_RIGHTS: Mapping[ShopRole, frozenset[Right]] = {
    ShopRole.OWNER: _SHOP_RIGHTS,
    ShopRole.STAFF: _SHOP_RIGHTS - _TRUSTED_RIGHTS,
    ShopRole.AUDITOR: _READ_RIGHTS,
}
PLATFORM_RIGHTS: Mapping[PlatformRole, frozenset[Right]] = {
    PlatformRole.ADMIN: frozenset(Right),
    PlatformRole.AUDITOR: _READ_RIGHTS,
}
if ROLE_RIGHTS.keys() != set(ShopRole) or PLATFORM_RIGHTS.keys() != set(PlatformRole):
    raise AssertionError("every role has a row")

# A key that could make operators or further keys would outlive its own revocation, and no key is
# the second person that looks at a large refund, nor says what is one.
KEY_RIGHTS = _SHOP_RIGHTS - {
    Right.STAFF_WRITE,
    Right.API_KEYS_WRITE,
    Right.REFUNDS_APPROVE,
    Right.REFUND_LIMIT_WRITE,
}


def rights_of_role(role: str | None) -> frozenset[Right]:
    """What a role allows in its shop; nothing without one."""
    return ROLE_RIGHTS[ShopRole(role)] if role else frozenset()


def rights_of_platform(role: str | None) -> frozenset[Right]:
    """What a platform role allows in every shop; nothing without one."""
    return PLATFORM_RIGHTS[PlatformRole(role)] if role else frozenset()


def rights_of_scopes(scopes: Iterable[str]) -> frozenset[Right]:
    """What the scopes of an API key allow; one that is no longer given to keys counts nothing."""
    return frozenset(right for right in KEY_RIGHTS if right.value in frozenset(scopes))


def normalised_email(email: str) -> str:
    """One spelling for one mailbox, as far as letters' case goes."""
    return email.strip().lower()
