"""A quote as plain JSON values: what an order keeps, and what the command line prints.

Equal neighbouring unit shares are told as runs, so that a line of thousands of units stays small.
"""

from dataclasses import fields
from itertools import groupby
from typing import Any
from uuid import UUID

from app.promotions.pricing.answer import NotApplied, Nudge, Quote, QuoteLine

SCHEMA_VERSION = 2


def snapshot_of(quote: Quote) -> dict[str, Any]:
    """The whole quote in dicts, lists, strings and integers; ids become strings."""
    return {"schema_version": SCHEMA_VERSION, **_plain_fields(quote)}


def _plain_fields(row: Any) -> dict[str, Any]:
    said = {field.name: getattr(row, field.name) for field in fields(row)}
    if isinstance(row, QuoteLine):
        said["unit_shares"] = [
            {"amount": amount, "units": sum(1 for _ in run)}
            for amount, run in groupby(said.pop("unit_share_amounts"))
        ]
    if isinstance(row, NotApplied | Nudge):
        said["params"] = dict(said["params"])
    return {name: _plain(value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return _plain_fields(value) if hasattr(value, "__dataclass_fields__") else value
