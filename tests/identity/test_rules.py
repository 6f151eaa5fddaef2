"""Who may do what: the table as it was decided, cell by cell where it matters."""

import pytest

from app.core.errors import Forbidden, NotFound
from app.core.ids import new_id
from app.core.security import Principal, PrincipalKind
from app.identity.deps import rights_in
from app.identity.rules import (
    KEY_RIGHTS,
    PLATFORM_RIGHTS,
    ROLE_RIGHTS,
    PlatformRole,
    Right,
    ShopRole,
    normalised_email,
    rights_of_scopes,
)

SHOP, OTHER = new_id(), new_id()
READS = {
    Right.SHOP_READ,
    Right.CATALOG_READ,
    Right.PROMOTIONS_READ,
    Right.GROUPBUY_READ,
    Right.COMMUNITY_READ,
    Right.ORDERS_READ,
    Right.LEDGER_READ,
    Right.WEBHOOKS_READ,
    Right.AUDIT_READ,
}


def test_owner_has_every_right_but_the_platforms() -> None:
    assert set(Right) - ROLE_RIGHTS[ShopRole.OWNER] == {Right.PLATFORM_WRITE}


def test_staff_manage_neither_people_nor_keys_and_read_no_audit() -> None:
    assert set(Right) - ROLE_RIGHTS[ShopRole.STAFF] == {
        Right.PLATFORM_WRITE,
        Right.STAFF_WRITE,
        Right.API_KEYS_WRITE,
        Right.REFUND_LIMIT_WRITE,
        Right.WEBHOOKS_WRITE,
        Right.LEDGER_READ,
        Right.AUDIT_READ,
    }


def test_auditors_only_read() -> None:
    assert ROLE_RIGHTS[ShopRole.AUDITOR] == READS
    assert PLATFORM_RIGHTS[PlatformRole.AUDITOR] == READS


def test_admin_may_everything() -> None:
    assert PLATFORM_RIGHTS[PlatformRole.ADMIN] == set(Right)


def test_a_key_cannot_make_operators_or_keys() -> None:
    asked = ["staff.write", "api_keys.write", "platform.write", "orders.read", "no.such"]
    assert rights_of_scopes(asked) == {Right.ORDERS_READ}
    assert {Right.STAFF_WRITE, Right.API_KEYS_WRITE, Right.PLATFORM_WRITE}.isdisjoint(KEY_RIGHTS)
    assert {Right.REFUNDS_APPROVE, Right.REFUND_LIMIT_WRITE}.isdisjoint(KEY_RIGHTS)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (Principal(PrincipalKind.MEMBER, new_id()), Forbidden),
        (Principal(PrincipalKind.OPERATOR, new_id()), NotFound),
        (Principal(PrincipalKind.OPERATOR, new_id(), shop_roles={OTHER: "owner"}), NotFound),
        (
            Principal(
                PrincipalKind.API_KEY,
                new_id(),
                shop_roles={OTHER: "api_key"},
                scopes=frozenset({"orders.read"}),
            ),
            NotFound,
        ),
    ],
)
def test_strangers_to_a_shop(principal: Principal, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        rights_in(principal, SHOP)


def test_roles_of_shop_and_platform_add_up() -> None:
    both = Principal(
        PrincipalKind.OPERATOR,
        new_id(),
        platform_role="auditor",
        shop_roles={SHOP: "staff"},
    )
    assert rights_in(both, SHOP) == ROLE_RIGHTS[ShopRole.STAFF] | {
        Right.AUDIT_READ,
        Right.LEDGER_READ,
    }
    assert rights_in(both, OTHER) == READS


def test_the_case_of_an_address_does_not_matter() -> None:
    assert normalised_email(" Owner@Shop.Example ") == "owner@shop.example"
