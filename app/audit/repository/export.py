"""What an export tells of a shop, table by table, and what it withholds and why."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.core.rows import batches, row_after_row

# Tables without a shop of their own, and the parent that has one: column, parent table. The column
# begins an index, so that the rows of a shop are looked up and nobody else's are read.
THROUGH: Mapping[str, tuple[str, str]] = {
    "product_tags": ("product_id", "products"),
    "price_changes": ("variant_id", "variants"),
    "stock_adjustments": ("variant_id", "variants"),
    "memberships": ("community_id", "communities"),
    "audience_members": ("audience_id", "audiences"),
    "campaign_members": ("campaign_id", "campaigns"),
    "campaign_prices": ("campaign_id", "campaigns"),
    "order_lines": ("order_id", "orders"),
    "order_refund_parts": ("order_id", "orders"),
    "after_sales_lines": ("after_sales_id", "after_sales"),
    "sandbox_entries": ("payment_id", "payments"),
    "refund_rounds": ("refund_id", "refunds"),
    "stray_refunds": ("stray_id", "stray_captures"),
    "outbox_handled": ("event_id", "outbox_events"),
    "promotion_quotas": ("promotion_id", "promotions"),
    "promotion_member_uses": ("promotion_id", "promotions"),
    "promotion_uses": ("order_id", "orders"),
    "webhook_filters": ("endpoint_id", "webhook_endpoints"),
    "webhook_attempts": ("delivery_id", "webhook_deliveries"),
}

_PERSONAL = "personal data"
_LOCKED = "credentials"
_GLOBAL = "not of one shop"
WITHHELD: Mapping[str, str] = {
    "member_profiles": _PERSONAL,
    "member_wechats": _PERSONAL,
    "member_phones": _PERSONAL,
    "member_addresses": _PERSONAL,
    "member_tags": _PERSONAL,
    "order_addresses": _PERSONAL,
    "operator_logins": _LOCKED,
    "sessions": _LOCKED,
    "api_keys": _LOCKED,
    "invitations": _LOCKED,
    "webhook_secrets": _LOCKED,
    "idempotency_answers": "answers hold personal data",
    "hook_events": "messages hold personal data",
    "members": _GLOBAL,
    "operators": _GLOBAL,
    "sandbox_notices": _GLOBAL,
    "test_clock": _GLOBAL,
    "worker_beats": _GLOBAL,
}
# Columns of exported tables that stay here: what can be used to pay, or leads to a person.
WITHHELD_COLUMNS: Mapping[str, frozenset[str]] = {
    "payments": frozenset({"token"}),
    "orders": frozenset({"tracking_number"}),
    # What a buyer writes may be about anybody.
    "after_sales": frozenset({"note", "decision_note"}),
    "refund_approvals": frozenset({"decision_note"}),
    # Whoever has a code has what it is worth.
    "coupons": frozenset({"code"}),
    # Whoever only looked is nobody that the shop knows.
    "proofs_shown": frozenset({"member_id"}),
    # Many a URL is a credential, and nobody knows what a receiver answers.
    "webhook_endpoints": frozenset({"url"}),
    "webhook_attempts": frozenset({"answer"}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One table of an export and the query for a shop's rows, in a stable order."""

    name: str
    query: sa.Select[Any]


def parts(shop_id: UUID) -> list[Part]:
    """Every table that tells of a shop, parents before children.

    Each is read in the order of an index, so that its first row comes at once and none is sorted.
    """
    tables = SQLModel.metadata.tables
    return [
        Part(table.name, _query(table, tables, shop_id))
        for table in SQLModel.metadata.sorted_tables
        if table.name not in WITHHELD
    ]


def _query(table: sa.Table, tables: Mapping[str, sa.Table], shop_id: UUID) -> sa.Select[Any]:
    told = _told(table)
    if table.name == "shops":
        return told.where(table.c.id == shop_id)
    if "shop_id" in table.c:
        return told.where(table.c.shop_id == shop_id).order_by(*table.primary_key)
    column, parent_name = THROUGH[table.name]
    parent = tables[parent_name]
    key = next(iter(parent.primary_key))
    rest = [own for own in table.primary_key if own.name != column]
    return (
        told.select_from(parent.join(table, table.c[column] == key))
        .where(parent.c.shop_id == shop_id)
        .order_by(key, *rest)
    )


def _told(table: sa.Table) -> sa.Select[Any]:
    withheld = WITHHELD_COLUMNS.get(table.name, frozenset())
    return sa.select(*(column for column in table.c if column.name not in withheld))


def rows(db: AsyncSession, part: Part) -> AsyncIterator[Sequence[sa.RowMapping]]:
    """A table's rows in batches, so that memory stays bounded."""
    return batches(db, part.query)


async def begin(db: AsyncSession) -> None:
    """Have the tables read as they are ordered."""
    await row_after_row(db)
