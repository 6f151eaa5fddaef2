"""What an export tells of a shop, table by table, and what it withholds and why."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

ROWS_AT_ONCE = 500

# Tables without a shop of their own, and the parent that has one: column, parent table.
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
    "promotion_uses": ("promotion_id", "promotions"),
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
    # Whoever has a code has what it is worth.
    "coupons": frozenset({"code"}),
    # Whoever only looked is nobody that the shop knows.
    "proofs_shown": frozenset({"member_id"}),
    # Many a URL is a credential, and nobody knows what a receiver answers.
    "webhook_endpoints": frozenset({"url"}),
    "webhook_attempts": frozenset({"answer"}),
}
# The same told in JSON: the columns that may tell it, and the members left out of them.
WITHHELD_MEMBERS = frozenset({"tracking_number"})
TELLING: Mapping[str, frozenset[str]] = {
    "outbox_events": frozenset({"payload"}),
    "audit_log": frozenset({"before", "after"}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One table of an export and the query for a shop's rows, in a stable order."""

    name: str
    query: sa.Select[Any]


def parts(shop_id: UUID) -> list[Part]:
    """Every table that tells of a shop, parents before children."""
    tables = SQLModel.metadata.tables
    return [
        Part(t.name, _told(t).where(_mine(t, tables, shop_id)).order_by(*t.primary_key))
        for t in SQLModel.metadata.sorted_tables
        if t.name not in WITHHELD
    ]


def _told(table: sa.Table) -> sa.Select[Any]:
    withheld = WITHHELD_COLUMNS.get(table.name, frozenset())
    return sa.select(*(column for column in table.c if column.name not in withheld))


def _mine(table: sa.Table, tables: Mapping[str, sa.Table], shop_id: UUID) -> Any:
    if table.name == "shops":
        return table.c.id == shop_id
    if "shop_id" in table.c:
        return table.c.shop_id == shop_id
    column, parent_name = THROUGH[table.name]
    parent = tables[parent_name]
    key = next(iter(parent.primary_key))
    return table.c[column].in_(sa.select(key).where(parent.c.shop_id == shop_id))


async def rows(db: AsyncSession, part: Part) -> AsyncIterator[list[dict[str, Any]]]:
    """A table's rows in batches, so that memory stays bounded."""
    telling = TELLING.get(part.name, frozenset())
    result = await db.stream(part.query, execution_options={"yield_per": ROWS_AT_ONCE})
    async for batch in result.mappings().partitions(ROWS_AT_ONCE):
        yield [
            {name: _less(value) if name in telling else value for name, value in row.items()}
            for row in batch
        ]


def _less(told: dict[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {name: value for name, value in told.items() if name not in WITHHELD_MEMBERS}
