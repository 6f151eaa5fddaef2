"""A quote as plain JSON values and back: what an order keeps and what its refunds read.

Equal neighbouring unit shares are stored as runs, so that a line of thousands of units stays small.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any
from uuid import UUID

from app.promotions.pricing.quote import Adjustment, Applied, NotApplied, Quote, QuoteLine
from app.promotions.pricing.reasons import Param

SCHEMA_VERSION = 1

_PLAIN_FIELDS = (
    "currency",
    "goods_list_amount",
    "goods_discount_amount",
    "goods_payable_amount",
    "shipping_amount",
    "total_amount",
    "optimality",
    "bound_amount",
    "runner_up_amount",
    "rounding",
    "allocation",
)
_PLAIN_LINE_FIELDS = ("key", "quantity", "list_amount", "price_amount", "payable_amount")


def snapshot_of(quote: Quote) -> dict[str, Any]:
    """The whole quote in dicts, lists, strings and integers; ids become strings."""
    return {
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(quote, name) for name in _PLAIN_FIELDS},
        "lines": [_line_to(line) for line in quote.lines],
        "applied": [_share_to(row) for row in quote.applied],
        "not_applied": [_not_applied_to(row) for row in quote.not_applied],
    }


def quote_of(snapshot: Mapping[str, Any]) -> Quote:
    """The quote a snapshot was made of; ValueError when another version of the product wrote it."""
    _check_version(snapshot)
    return Quote(
        **{name: snapshot[name] for name in _PLAIN_FIELDS},
        lines=tuple(_line_from(row) for row in snapshot["lines"]),
        applied=tuple(Applied(**_share_from(row)) for row in snapshot["applied"]),
        not_applied=tuple(_not_applied_from(row) for row in snapshot["not_applied"]),
    )


def unit_shares_of(snapshot: Mapping[str, Any], key: str) -> tuple[int, ...]:
    """What each unit of one line really cost, for refunds; ValueError for an unknown line."""
    _check_version(snapshot)
    for row in snapshot["lines"]:
        if row["key"] == key:
            return _shares_from(row["unit_shares"])
    raise ValueError(f"the snapshot has no line {key!r}")


def _check_version(snapshot: Mapping[str, Any]) -> None:
    if snapshot.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"unknown snapshot version {snapshot.get('schema_version')!r}")


def _line_to(line: QuoteLine) -> dict[str, Any]:
    return {
        **{name: getattr(line, name) for name in _PLAIN_LINE_FIELDS},
        "variant_id": str(line.variant_id),
        "product_id": str(line.product_id),
        "adjustments": [_share_to(row) for row in line.adjustments],
        "unit_shares": [
            {"amount": amount, "units": sum(1 for _ in run)}
            for amount, run in groupby(line.unit_share_amounts)
        ],
    }


def _line_from(row: Mapping[str, Any]) -> QuoteLine:
    return QuoteLine(
        **{name: row[name] for name in _PLAIN_LINE_FIELDS},
        variant_id=UUID(row["variant_id"]),
        product_id=UUID(row["product_id"]),
        adjustments=tuple(Adjustment(**_share_from(share)) for share in row["adjustments"]),
        unit_share_amounts=_shares_from(row["unit_shares"]),
    )


def _shares_from(runs: Iterable[Mapping[str, int]]) -> tuple[int, ...]:
    return tuple(run["amount"] for run in runs for _ in range(run["units"]))


def _share_to(row: Adjustment | Applied) -> dict[str, Any]:
    return {
        "promotion_id": None if row.promotion_id is None else str(row.promotion_id),
        "promotion_version": row.promotion_version,
        "kind": row.kind,
        "amount": row.amount,
        "units": row.units,
    }


def _share_from(row: Mapping[str, Any]) -> dict[str, Any]:
    id_ = row["promotion_id"]
    return {**row, "promotion_id": None if id_ is None else UUID(id_)}


def _not_applied_to(row: NotApplied) -> dict[str, Any]:
    return {
        "promotion_id": str(row.promotion_id),
        "promotion_version": row.promotion_version,
        "kind": row.kind,
        "code": row.code,
        "params": {name: _param_to(value) for name, value in row.params},
    }


def _param_to(value: Param) -> int | str | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _not_applied_from(row: Mapping[str, Any]) -> NotApplied:
    params = tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in row["params"].items()
    )
    return NotApplied(**{**row, "promotion_id": UUID(row["promotion_id"]), "params": params})
