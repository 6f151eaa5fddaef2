"""Order facts from order rows, in one place."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from app.orders.events import OrderEvent

E = TypeVar("E", bound=OrderEvent)


def fact(kind: type[E], row: Mapping[Any, Any], at: datetime, **more: Any) -> E:
    """A fact of this kind about the order in the row."""
    return kind(
        at=at,
        shop_id=row["shop_id"],
        aggregate_id=row["id"],
        order_id=row["id"],
        member_id=row["member_id"],
        **more,
    )
