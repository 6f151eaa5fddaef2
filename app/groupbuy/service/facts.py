"""Group facts from group rows, in one place."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from app.groupbuy.events import GroupEvent

E = TypeVar("E", bound=GroupEvent)


def fact_of(kind: type[E], group: Mapping[Any, Any], at: datetime, **more: Any) -> E:
    """A fact of this kind about the group in the row."""
    return kind(
        at=at,
        shop_id=group["shop_id"],
        aggregate_id=group["id"],
        group_id=group["id"],
        campaign_id=group["campaign_id"],
        **more,
    )
