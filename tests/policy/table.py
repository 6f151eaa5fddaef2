"""Who may call what: one row for every route of the contract, and what each caller is told.

The rights of the roles are stated here a second time, on purpose: a right that slips into a role
by accident is noticed by whoever has to write it down twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class Who(StrEnum):
    """Everybody that calls every route; objects of the paths are the buyer's and the shop's."""

    NOBODY = "nobody"
    BUYER = "buyer"
    FELLOW = "another member"
    OWNER = "owner"
    STAFF = "staff"
    AUDITOR = "auditor"
    FOREIGN_OWNER = "another shop's owner"
    FOREIGN_KEY = "another shop's key"
    ADMIN = "platform admin"
    PLATFORM_AUDITOR = "platform auditor"
    KEY = "key with the scope"
    KEY_WITHOUT = "key without the scope"


MEMBERS = frozenset({Who.BUYER, Who.FELLOW})
KEYS = frozenset({Who.KEY, Who.KEY_WITHOUT, Who.FOREIGN_KEY})
OPERATORS = frozenset(Who) - MEMBERS - KEYS - {Who.NOBODY}

READ_RIGHTS = frozenset(
    {
        "shop.read",
        "catalog.read",
        "promotions.read",
        "groupbuy.read",
        "community.read",
        "orders.read",
        "ledger.read",
        "webhooks.read",
        "audit.read",
    }
)
OWNER_ONLY_RIGHTS = frozenset(
    {"ledger.read", "staff.write", "api_keys.write", "webhooks.write", "audit.read"}
)
WORK_RIGHTS = (READ_RIGHTS - OWNER_ONLY_RIGHTS) | {
    "shop.write",
    "catalog.write",
    "stock.write",
    "promotions.write",
    "groupbuy.write",
    "community.write",
    "orders.write",
    "refunds.write",
    "refunds.approve",
}
# A key is no person: it asks for large refunds and approves none.
KEY_RIGHTS = (WORK_RIGHTS - {"refunds.approve"}) | {
    "ledger.read",
    "webhooks.write",
    "audit.read",
}

IN_SHOP: Mapping[Who, frozenset[str]] = {
    Who.OWNER: WORK_RIGHTS | OWNER_ONLY_RIGHTS,
    Who.STAFF: WORK_RIGHTS,
    Who.AUDITOR: READ_RIGHTS,
    Who.ADMIN: WORK_RIGHTS | OWNER_ONLY_RIGHTS,
    Who.PLATFORM_AUDITOR: READ_RIGHTS,
}
ON_PLATFORM: Mapping[Who, frozenset[str]] = {
    Who.ADMIN: WORK_RIGHTS | OWNER_ONLY_RIGHTS | {"platform.write"},
    Who.PLATFORM_AUDITOR: READ_RIGHTS,
}


class Kind(Enum):
    """The kinds of rows."""

    PUBLIC = "anybody"
    MEMBER = "any member"
    OWN = "the member whose object it is; to others it does not exist"
    OPERATOR = "any operator"
    HOLDER = "whoever has a session, member or operator"
    SHOP = "whoever has the right in the shop; to strangers the shop does not exist"
    PLATFORM = "whoever has the right on the platform"


@dataclass(frozen=True)
class Rule:
    """A row; a shop's route may ask for several rights, which are told with blanks between."""

    kind: Kind
    right: str = ""

    def refusal_of(self, who: Who) -> int | None:
        """The status the caller is refused with; `None` when it may."""
        if self.kind is Kind.PUBLIC:
            return None
        if who is Who.NOBODY:
            return 401
        return _REFUSALS[self.kind](self.right, who)


def _member(_right: str, who: Who) -> int | None:
    return None if who in MEMBERS else 403


def _own(_right: str, who: Who) -> int | None:
    return 404 if who is Who.FELLOW else _member("", who)


def _operator(_right: str, who: Who) -> int | None:
    return None if who in OPERATORS else 403


def _holder(_right: str, who: Who) -> int | None:
    return 403 if who in KEYS else None


def _shop(right: str, who: Who) -> int | None:
    if who in {Who.FOREIGN_OWNER, Who.FOREIGN_KEY}:
        return 404
    held = KEY_RIGHTS if who is Who.KEY else IN_SHOP.get(who, frozenset())
    return None if held.issuperset(right.split()) else 403


def _platform(right: str, who: Who) -> int | None:
    return None if right in ON_PLATFORM.get(who, ()) else 403


_REFUSALS = {
    Kind.MEMBER: _member,
    Kind.OWN: _own,
    Kind.OPERATOR: _operator,
    Kind.HOLDER: _holder,
    Kind.SHOP: _shop,
    Kind.PLATFORM: _platform,
}

PUBLIC, MEMBER, OWN, OPERATOR, HOLDER = (
    Rule(kind) for kind in (Kind.PUBLIC, Kind.MEMBER, Kind.OWN, Kind.OPERATOR, Kind.HOLDER)
)


def _of_shop(*rights: str) -> Rule:
    return Rule(Kind.SHOP, " ".join(rights))


SHOPS = "/v1/operator/shops"
SHOP = SHOPS + "/{shop_id}"
PRODUCT, VARIANT = SHOP + "/products/{product_id}", SHOP + "/variants/{variant_id}"
COMMUNITY, CATEGORY = SHOP + "/communities/{community_id}", SHOP + "/categories/{category_id}"
PROMOTION, CAMPAIGN = SHOP + "/promotions/{promotion_id}", SHOP + "/campaigns/{campaign_id}"
BRAND, AUDIENCE = SHOP + "/brands/{brand_id}", SHOP + "/audiences/{audience_id}"
BATCH = SHOP + "/coupon-batches/{batch_id}"
ORDER = SHOP + "/orders/{order_id}"
AFTER_SALES = SHOP + "/after-sales/{after_sales_id}"
APPROVAL = SHOP + "/refund-approvals/{approval_id}"
ENDPOINTS = SHOP + "/webhook-endpoints"
ENDPOINT = ENDPOINTS + "/{endpoint_id}"
DELIVERY = SHOP + "/webhook-deliveries/{delivery_id}"

POLICY: Mapping[tuple[str, str], Rule] = {
    # The service itself.
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("POST", "/v1/test/clock"): PUBLIC,
    # Signing in, and one's own account.
    ("POST", "/v1/auth/wechat"): PUBLIC,
    ("POST", "/v1/auth/refresh"): PUBLIC,
    ("POST", "/v1/auth/sign-out"): HOLDER,
    ("GET", "/v1/me"): MEMBER,
    ("PATCH", "/v1/me"): MEMBER,
    ("GET", "/v1/me/export"): MEMBER,
    ("POST", "/v1/me/erasure"): MEMBER,
    ("GET", "/v1/me/addresses"): MEMBER,
    ("POST", "/v1/me/addresses"): MEMBER,
    ("PATCH", "/v1/me/addresses/{address_id}"): OWN,
    ("DELETE", "/v1/me/addresses/{address_id}"): OWN,
    ("POST", "/v1/operator/auth/sign-in"): PUBLIC,
    ("POST", "/v1/operator/auth/password"): OPERATOR,
    ("GET", "/v1/operator/me"): OPERATOR,
    ("GET", "/v1/operator/sessions"): OPERATOR,
    ("DELETE", "/v1/operator/sessions/{session_id}"): OPERATOR,
    # A member who asks by mail to be forgotten.
    ("POST", "/v1/operator/members/{member_id}/erasure"): Rule(Kind.PLATFORM, "platform.write"),
    # Who works in a shop.
    ("POST", "/v1/operator/invitations"): Rule(Kind.PLATFORM, "platform.write"),
    ("POST", "/v1/operator/invitations/accept"): PUBLIC,
    ("POST", SHOP + "/invitations"): _of_shop("staff.write"),
    ("GET", SHOP + "/staff"): _of_shop("staff.write"),
    ("DELETE", SHOP + "/staff/{operator_id}"): _of_shop("staff.write"),
    ("POST", SHOP + "/api-keys"): _of_shop("api_keys.write"),
    ("GET", SHOP + "/api-keys"): _of_shop("api_keys.write"),
    ("DELETE", SHOP + "/api-keys/{key_id}"): _of_shop("api_keys.write"),
    # Shops and goods.
    ("GET", "/v1/shops/{shop_id}"): PUBLIC,
    ("GET", "/v1/shops/{shop_id}/categories"): PUBLIC,
    ("GET", "/v1/shops/{shop_id}/products"): PUBLIC,
    ("GET", "/v1/products/{product_id}"): PUBLIC,
    ("POST", SHOPS): Rule(Kind.PLATFORM, "platform.write"),
    ("GET", SHOPS): OPERATOR,
    ("GET", SHOP): _of_shop("shop.read"),
    ("PATCH", SHOP): _of_shop("shop.write"),
    ("POST", SHOP + "/categories"): _of_shop("catalog.write"),
    ("PATCH", CATEGORY): _of_shop("catalog.write"),
    ("POST", CATEGORY + "/archive"): _of_shop("catalog.write"),
    ("POST", SHOP + "/products"): _of_shop("catalog.write"),
    ("GET", SHOP + "/products"): _of_shop("catalog.read"),
    ("GET", PRODUCT): _of_shop("catalog.read"),
    ("PATCH", PRODUCT): _of_shop("catalog.write"),
    ("POST", PRODUCT + "/publish"): _of_shop("catalog.write"),
    ("POST", PRODUCT + "/archive"): _of_shop("catalog.write"),
    ("POST", PRODUCT + "/variants"): _of_shop("catalog.write"),
    ("GET", VARIANT): _of_shop("catalog.read"),
    ("PATCH", VARIANT): _of_shop("catalog.write"),
    ("POST", VARIANT + "/archive"): _of_shop("catalog.write"),
    ("GET", VARIANT + "/prices"): _of_shop("catalog.read"),
    ("GET", VARIANT + "/stock"): _of_shop("catalog.read"),
    ("POST", VARIANT + "/stock-adjustments"): _of_shop("stock.write"),
    ("GET", VARIANT + "/stock-adjustments"): _of_shop("catalog.read"),
    ("POST", SHOP + "/brands"): _of_shop("catalog.write"),
    ("GET", SHOP + "/brands"): _of_shop("catalog.read"),
    ("PATCH", BRAND): _of_shop("catalog.write"),
    ("POST", BRAND + "/archive"): _of_shop("catalog.write"),
    # Communities.
    ("GET", "/v1/shops/{shop_id}/communities"): PUBLIC,
    ("GET", "/v1/communities/{community_id}"): PUBLIC,
    ("POST", "/v1/communities/{community_id}/join"): MEMBER,
    ("POST", "/v1/communities/{community_id}/leave"): MEMBER,
    ("GET", "/v1/me/communities"): MEMBER,
    ("GET", "/v1/me/tags"): MEMBER,
    ("PUT", "/v1/me/tags"): MEMBER,
    ("POST", SHOP + "/communities"): _of_shop("community.write"),
    ("GET", SHOP + "/communities"): _of_shop("community.read"),
    ("GET", COMMUNITY): _of_shop("community.read"),
    ("PATCH", COMMUNITY): _of_shop("community.write"),
    ("POST", COMMUNITY + "/archive"): _of_shop("community.write"),
    ("GET", COMMUNITY + "/members"): _of_shop("community.read"),
    ("POST", SHOP + "/audiences"): _of_shop("community.write"),
    ("GET", SHOP + "/audiences"): _of_shop("community.read"),
    ("GET", AUDIENCE + "/members"): _of_shop("community.read"),
    ("POST", AUDIENCE + "/members"): _of_shop("community.write"),
    ("DELETE", AUDIENCE + "/members/{member_id}"): _of_shop("community.write"),
    # Promotions and group buys.
    ("POST", SHOP + "/promotions"): _of_shop("promotions.write"),
    ("GET", SHOP + "/promotions"): _of_shop("promotions.read"),
    ("GET", PROMOTION): _of_shop("promotions.read"),
    ("PATCH", PROMOTION): _of_shop("promotions.write"),
    ("POST", PROMOTION + "/activate"): _of_shop("promotions.write"),
    ("POST", PROMOTION + "/pause"): _of_shop("promotions.write"),
    ("POST", PROMOTION + "/resume"): _of_shop("promotions.write"),
    ("POST", PROMOTION + "/end"): _of_shop("promotions.write"),
    ("POST", PROMOTION + "/copy"): _of_shop("promotions.write"),
    ("POST", SHOP + "/promotions/stop-all"): _of_shop("promotions.write"),
    # Margins tell what goods cost.
    ("POST", SHOP + "/promotions/previews"): _of_shop("promotions.read", "catalog.read"),
    ("GET", "/v1/operator/promotion-templates"): OPERATOR,
    ("POST", SHOP + "/coupon-batches"): _of_shop("promotions.write"),
    ("GET", SHOP + "/coupon-batches"): _of_shop("promotions.read"),
    ("GET", BATCH): _of_shop("promotions.read"),
    ("POST", BATCH + "/stop"): _of_shop("promotions.write"),
    # Whoever has a code has what it is worth.
    ("GET", BATCH + "/codes"): _of_shop("promotions.write"),
    ("POST", "/v1/coupons/claims"): MEMBER,
    ("GET", "/v1/me/coupons"): MEMBER,
    ("GET", "/v1/groups/{group_id}"): PUBLIC,
    ("GET", "/v1/groups/{group_id}/share"): PUBLIC,
    ("GET", "/v1/campaigns/{campaign_id}"): PUBLIC,
    ("GET", "/v1/campaigns/{campaign_id}/groups"): PUBLIC,
    ("GET", "/v1/shops/{shop_id}/campaigns"): PUBLIC,
    ("GET", "/v1/me/groups"): MEMBER,
    ("POST", SHOP + "/campaigns"): _of_shop("groupbuy.write"),
    ("GET", SHOP + "/campaigns"): _of_shop("groupbuy.read"),
    ("GET", CAMPAIGN): _of_shop("groupbuy.read"),
    ("PATCH", CAMPAIGN): _of_shop("groupbuy.write"),
    ("POST", CAMPAIGN + "/schedule"): _of_shop("groupbuy.write"),
    ("POST", CAMPAIGN + "/stop"): _of_shop("groupbuy.write"),
    ("POST", CAMPAIGN + "/copy"): _of_shop("groupbuy.write"),
    ("GET", CAMPAIGN + "/groups"): _of_shop("groupbuy.read"),
    ("GET", SHOP + "/groups/{group_id}"): _of_shop("groupbuy.read"),
    # Orders.
    ("POST", "/v1/quotes"): PUBLIC,
    ("POST", "/v1/orders"): MEMBER,
    ("GET", "/v1/orders"): MEMBER,
    ("GET", "/v1/orders/{order_id}"): OWN,
    ("POST", "/v1/orders/{order_id}/payments"): OWN,
    ("POST", "/v1/orders/{order_id}/cancel"): OWN,
    ("POST", "/v1/orders/{order_id}/receive"): OWN,
    ("POST", "/v1/groups/{group_id}/leave"): OWN,
    ("GET", SHOP + "/orders"): _of_shop("orders.read"),
    ("GET", ORDER): _of_shop("orders.read"),
    ("POST", ORDER + "/ship"): _of_shop("orders.write"),
    ("POST", ORDER + "/refunds"): _of_shop("refunds.write"),
    ("GET", SHOP + "/refunds"): _of_shop("orders.read"),
    ("POST", SHOP + "/refunds/{refund_id}/retry"): _of_shop("refunds.write"),
    ("GET", SHOP + "/payments"): _of_shop("orders.read"),
    ("GET", SHOP + "/disputes"): _of_shop("orders.read"),
    # After the sale. That a second person approves is no right, see test_refund_approvals.
    ("POST", "/v1/orders/{order_id}/refund-previews"): OWN,
    ("POST", "/v1/orders/{order_id}/after-sales"): OWN,
    ("GET", "/v1/orders/{order_id}/timeline"): OWN,
    ("GET", "/v1/after-sales"): MEMBER,
    ("GET", "/v1/after-sales/{after_sales_id}"): OWN,
    ("POST", "/v1/after-sales/{after_sales_id}/withdraw"): OWN,
    ("POST", ORDER + "/refund-previews"): _of_shop("orders.read"),
    ("GET", ORDER + "/timeline"): _of_shop("orders.read"),
    ("GET", SHOP + "/after-sales"): _of_shop("orders.read"),
    ("GET", AFTER_SALES): _of_shop("orders.read"),
    ("POST", AFTER_SALES + "/approve"): _of_shop("refunds.write"),
    ("POST", AFTER_SALES + "/await-return"): _of_shop("refunds.write"),
    ("POST", AFTER_SALES + "/reject"): _of_shop("refunds.write"),
    ("GET", SHOP + "/refund-approvals"): _of_shop("orders.read"),
    ("POST", APPROVAL + "/approve"): _of_shop("refunds.approve"),
    ("POST", APPROVAL + "/reject"): _of_shop("refunds.approve"),
    # Both the promotion and the orders are told about, and margins, too.
    ("POST", SHOP + "/promotion-replays"): _of_shop(
        "promotions.read", "orders.read", "catalog.read"
    ),
    # The books.
    ("GET", SHOP + "/ledger/accounts"): _of_shop("ledger.read"),
    ("GET", SHOP + "/ledger/entries"): _of_shop("ledger.read"),
    # Webhooks: where facts are sent is decided by who is trusted with all of them.
    ("POST", ENDPOINTS): _of_shop("webhooks.write"),
    ("GET", ENDPOINTS): _of_shop("webhooks.read"),
    ("GET", ENDPOINT): _of_shop("webhooks.read"),
    ("PATCH", ENDPOINT): _of_shop("webhooks.write"),
    ("DELETE", ENDPOINT): _of_shop("webhooks.write"),
    ("POST", ENDPOINT + "/enable"): _of_shop("webhooks.write"),
    ("POST", ENDPOINT + "/disable"): _of_shop("webhooks.write"),
    ("POST", ENDPOINT + "/rotate-secret"): _of_shop("webhooks.write"),
    ("POST", ENDPOINT + "/test"): _of_shop("webhooks.write"),
    ("POST", ENDPOINT + "/replay"): _of_shop("webhooks.write"),
    ("GET", ENDPOINT + "/deliveries"): _of_shop("webhooks.read"),
    ("GET", DELIVERY): _of_shop("webhooks.read"),
    ("POST", DELIVERY + "/resend"): _of_shop("webhooks.write"),
    ("GET", SHOP + "/webhook-events"): _of_shop("webhooks.read"),
    # The audit of one shop; that of all shops is the platform's, see test_policy.
    ("GET", "/v1/audit/invariants"): _of_shop("audit.read"),
    ("GET", "/v1/audit/pending"): _of_shop("audit.read"),
    ("GET", "/v1/audit/export"): _of_shop("audit.read"),
    ("GET", SHOP + "/audit-log"): _of_shop("audit.read"),
    ("GET", "/v1/operator/audit-log"): Rule(Kind.PLATFORM, "audit.read"),
    # Messages of payment providers: whoever signs them right, and the platform's operators.
    ("POST", "/v1/hooks/{gateway}"): PUBLIC,
    ("GET", "/v1/audit/hook-events"): Rule(Kind.PLATFORM, "audit.read"),
    ("POST", "/v1/operator/hook-events/{event_id}/replay"): Rule(Kind.PLATFORM, "platform.write"),
}
