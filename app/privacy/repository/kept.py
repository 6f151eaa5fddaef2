"""What becomes of each table when a member is erased, and which of its rows are a member's.

Every table stands here: a new one is placed on purpose, or a test fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

Mine = Callable[[UUID], Any]


class Fate(StrEnum):
    """What an erasure does to a member's rows."""

    DELETED = "deleted"
    EMPTIED = "emptied"  # the row stays, what leads to a person goes
    KEPT = "kept"  # it names the member by id alone, which then leads to nobody


@dataclass(frozen=True, slots=True)
class Of:
    """A table with rows of members: their fate, which are a member's, what is not told and why.

    `emptied` names the columns that an erasure empties; `withheld` those that an export leaves out.
    """

    fate: Fate
    mine: Mine
    emptied: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()
    untold: str = ""


def _table(name: str) -> sa.Table:
    return SQLModel.metadata.tables[name]


def _by(name: str, column: str = "member_id") -> Mine:
    return lambda member_id: _table(name).c[column] == member_id


def _through(name: str, column: str, parent: str, key: str = "id") -> Mine:
    """Rows whose column names a row of the parent's that is the member's."""

    def mine(member_id: UUID) -> Any:
        owned = sa.select(_table(parent).c[key]).where(OF_MEMBERS[parent].mine(member_id))
        return _table(name).c[column].in_(owned)

    return mine


def _both(one: Mine, other: Mine) -> Mine:
    return lambda member_id: sa.and_(one(member_id), other(member_id))


def _of_order(name: str) -> Mine:
    return _through(name, "order_id", "orders")


def _in_own_shops(name: str, column: str) -> Mine:
    """For tables that begin with the shop: of shops where the member has bought."""
    return _both(_through(name, "shop_id", "orders", "shop_id"), _by(name, column))


_columns = frozenset[str]
_SHOPS_WORDS = _columns({"wish", "requested_by", "requested_by_kind", "decided_by"})

OF_MEMBERS: Mapping[str, Of] = {
    "members": Of(Fate.EMPTIED, _by("members", "id"), _columns({"language"})),
    "member_profiles": Of(Fate.DELETED, _by("member_profiles")),
    "member_wechats": Of(Fate.DELETED, _by("member_wechats")),
    "member_phones": Of(Fate.DELETED, _by("member_phones")),
    "member_addresses": Of(Fate.DELETED, _by("member_addresses")),
    "member_tags": Of(Fate.DELETED, _by("member_tags")),
    "audience_members": Of(Fate.DELETED, _by("audience_members")),
    "sessions": Of(
        Fate.DELETED,
        _by("sessions", "subject_id"),
        withheld=_columns({"refresh_hash", "previous_hash"}),
    ),
    "idempotency_answers": Of(
        Fate.DELETED,
        _by("idempotency_answers", "subject_id"),
        untold="copies, kept for two days, of answers that told what stands elsewhere here",
    ),
    "memberships": Of(Fate.KEPT, _by("memberships")),
    "buyers": Of(Fate.KEPT, _in_own_shops("buyers", "member_id")),
    "orders": Of(Fate.EMPTIED, _by("orders"), _columns({"tracking_number"})),
    "order_lines": Of(Fate.KEPT, _of_order("order_lines")),
    "order_addresses": Of(Fate.DELETED, _of_order("order_addresses")),
    "order_refund_parts": Of(Fate.KEPT, _of_order("order_refund_parts")),
    "payments": Of(
        Fate.EMPTIED, _of_order("payments"), _columns({"token"}), withheld=_columns({"token"})
    ),
    "refunds": Of(Fate.KEPT, _of_order("refunds")),
    "refund_rounds": Of(Fate.KEPT, _through("refund_rounds", "refund_id", "refunds")),
    "disputes": Of(Fate.KEPT, _of_order("disputes")),
    "stray_captures": Of(Fate.KEPT, _through("stray_captures", "payment_id", "payments")),
    "stray_refunds": Of(Fate.KEPT, _through("stray_refunds", "stray_id", "stray_captures")),
    "hook_events": Of(
        Fate.EMPTIED,
        _through("hook_events", "payment_id", "payments"),
        _columns({"body"}),
        untold="a payment provider's own words, deleted after a month; payments tell their sense",
    ),
    "after_sales": Of(
        Fate.EMPTIED,
        _by("after_sales"),
        _columns({"note", "decision_note"}),
        withheld=_columns({"decided_by"}),
    ),
    "after_sales_lines": Of(
        Fate.KEPT, _through("after_sales_lines", "after_sales_id", "after_sales")
    ),
    "refund_approvals": Of(
        Fate.EMPTIED,
        _of_order("refund_approvals"),
        _columns({"decision_note"}),
        withheld=_SHOPS_WORDS | {"decision_note"},
    ),
    "seats": Of(Fate.KEPT, _by("seats")),
    "groups": Of(
        Fate.KEPT,
        _both(_through("groups", "id", "seats", "group_id"), _by("groups", "leader_member_id")),
    ),
    "campaign_members": Of(
        Fate.KEPT,
        _both(
            _through("campaign_members", "campaign_id", "seats", "campaign_id"),
            _by("campaign_members"),
        ),
    ),
    "proofs_shown": Of(Fate.EMPTIED, _by("proofs_shown"), _columns({"member_id"})),
    "coupons": Of(Fate.KEPT, _by("coupons")),
    "promotion_uses": Of(Fate.KEPT, _of_order("promotion_uses")),
    "promotion_member_uses": Of(
        Fate.KEPT,
        _both(
            _through("promotion_member_uses", "promotion_id", "promotion_uses", "promotion_id"),
            _by("promotion_member_uses"),
        ),
    ),
    "outbox_events": Of(Fate.KEPT, _through("outbox_events", "aggregate_id", "orders")),
    "audit_log": Of(
        Fate.KEPT,
        _in_own_shops("audit_log", "actor_id"),
        withheld=_columns({"before", "after"}),
    ),
}

_GOODS = "the shop's goods and prices"
_OFFERS = "the shop's offers"
_STAFF = "those who run shops, not their members"
_BOOKS = "the shop's books; they name payments and refunds, never a member"
_SENT = "what integrators are sent; messages name members by id alone"
_MACHINERY = "of the service itself, without persons"
NOT_OF_MEMBERS: Mapping[str, str] = {
    "shops": _GOODS,
    "categories": _GOODS,
    "brands": _GOODS,
    "products": _GOODS,
    "product_tags": _GOODS,
    "variants": _GOODS,
    "price_changes": _GOODS,
    "stock": _GOODS,
    "stock_adjustments": _GOODS,
    "communities": "the shop's communities; memberships say who belongs to them",
    "audiences": "named by the shop; audience_members says who is in them",
    "promotions": _OFFERS,
    "promotion_quotas": _OFFERS,
    "coupon_batches": _OFFERS,
    "campaigns": _OFFERS,
    "campaign_prices": _OFFERS,
    "operators": _STAFF,
    "operator_logins": _STAFF,
    "operator_roles": _STAFF,
    "invitations": _STAFF,
    "api_keys": _STAFF,
    "ledger_transactions": _BOOKS,
    "ledger_entries": _BOOKS,
    "sandbox_entries": _BOOKS,
    "sandbox_notices": _BOOKS,
    "webhook_endpoints": _SENT,
    "webhook_filters": _SENT,
    "webhook_secrets": _SENT,
    "webhook_deliveries": _SENT,
    "webhook_attempts": _SENT,
    "outbox_handled": _MACHINERY,
    "test_clock": _MACHINERY,
    "worker_beats": _MACHINERY,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a member's export."""

    name: str
    query: sa.Select[Any]


def parts(member_id: UUID) -> list[Part]:
    """Every table that tells of a member."""
    found = []
    for table in SQLModel.metadata.sorted_tables:
        of = OF_MEMBERS.get(table.name)
        if of is not None and not of.untold:
            told = sa.select(*(c for c in table.c if c.name not in of.withheld))
            query = told.where(of.mine(member_id)).order_by(*table.primary_key)
            found.append(Part(table.name, query))
    return found
