"""Whether a buyer is among those that conditions ask for, and if not, the first reason why."""

from collections.abc import Callable
from uuid import UUID

from app.promotions.pricing.basket import Buyer
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.reasons import Reason


def why_not(conditions: Conditions, buyer: Buyer) -> Reason | None:
    """What of the conditions about the buyer this one does not meet; None for nothing."""
    for check in _CHECKS:
        reason = check(conditions, buyer)
        if reason is not None:
            return reason
    return None


def _known(conditions: Conditions, buyer: Buyer) -> Reason | None:
    return None if buyer.is_known or not conditions.ask_who else Reason("sign_in")


def _orders(conditions: Conditions, buyer: Buyer) -> Reason | None:
    paid_orders = buyer.paid_orders
    if conditions.new_buyers_only and paid_orders > 0:
        return Reason("new_buyers_only", (("paid_orders", paid_orders),))
    nth = conditions.nth_order
    if nth is not None and paid_orders + 1 != nth:
        return Reason("not_nth_order", (("nth_order", nth), ("this_order", paid_orders + 1)))
    return None


def _belonging(conditions: Conditions, buyer: Buyer) -> Reason | None:
    wanted, roles = conditions.community_ids, conditions.roles
    if wanted and wanted.isdisjoint(buyer.community_ids):
        return Reason("not_in_community", (("community_ids", _sorted(wanted)),))
    if roles and roles.isdisjoint(_roles_in(buyer, wanted)):
        return Reason("role_missing", (("roles", tuple(sorted(roles))),))
    audiences = conditions.audience_ids
    if audiences and audiences.isdisjoint(buyer.audience_ids):
        return Reason("not_in_audience", (("audience_ids", _sorted(audiences)),))
    return None


def _roles_in(buyer: Buyer, community_ids: frozenset[UUID]) -> set[str]:
    return {
        role
        for community_id, role in buyer.roles.items()
        if not community_ids or community_id in community_ids
    }


def _tags(conditions: Conditions, buyer: Buyer) -> Reason | None:
    tags = buyer.tags
    if conditions.member_tags_any and conditions.member_tags_any.isdisjoint(tags):
        return Reason("tags_missing", (("tags", tuple(sorted(conditions.member_tags_any))),))
    missing = conditions.member_tags_all - tags
    if missing:
        return Reason("tags_missing", (("tags", tuple(sorted(missing))),))
    forbidden = conditions.member_tags_none & tags
    if forbidden:
        return Reason("tags_forbidden", (("tags", tuple(sorted(forbidden))),))
    return None


def _sorted(ids: frozenset[UUID]) -> tuple[str, ...]:
    return tuple(sorted(map(str, ids)))


_CHECKS: tuple[Callable[[Conditions, Buyer], Reason | None], ...] = (
    _known,
    _orders,
    _belonging,
    _tags,
)
