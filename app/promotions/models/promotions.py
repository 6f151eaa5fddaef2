"""What operators configure; the pure core never sees these rows, only what `service.live` makes."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.core.sql import Json, enum_column


class PromotionKind(StrEnum):
    """The mechanics an operator may choose from; each is a module of the pricing core."""

    PERCENT_OFF = "percent_off"
    AMOUNT_OFF = "amount_off"
    BUY_N_GET_M = "buy_n_get_m"
    BUNDLE = "bundle"
    SPEND_THRESHOLD = "spend_threshold"
    ADD_ON = "add_on"
    GIFT = "gift"
    FREE_SHIPPING = "free_shipping"
    SHIPPING_OFF = "shipping_off"


class PromotionStatus(StrEnum):
    """What the operator decided; whether its window is open is the clock's affair."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class Promotion(SQLModel, table=True):
    """One offer of a shop: the rule of its kind, the goods it touches, and who may use it when.

    `rule`, `match`, `conditions` and `limits` hold only what was validated on the way in, sets as
    sorted lists; `match` and `conditions` without what they do not ask for. The confirmation of a
    sale below cost holds until what is sold to whom is edited.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        # Serves the live ones of a shop, oldest first, and the operator's list by status.
        sa.Index("ix_promotions_shop_id_status", "shop_id", "status", "id"),
        sa.Index("ix_promotions_shop_id_id", "shop_id", "id"),
        sa.CheckConstraint("starts_at IS NULL OR ends_at IS NULL OR starts_at < ends_at", "window"),
    )

    id: UUID = Field(primary_key=True)
    shop_id: UUID = Field(foreign_key="shops.id")
    kind: PromotionKind = Field(sa_type=enum_column(PromotionKind))
    status: PromotionStatus = Field(sa_type=enum_column(PromotionStatus))
    name_zh: str = Field(max_length=120)
    name_en: str = Field(max_length=120)
    rule: dict[str, Any] = Field(sa_type=Json)
    match: dict[str, list[str]] = Field(sa_type=Json)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    conditions: dict[str, Any] = Field(sa_type=Json)
    limits: dict[str, int | None] = Field(sa_type=Json)
    needs_coupon: bool = False
    exclusive: bool = False
    stacking_group: str | None = Field(default=None, max_length=64)
    priority: int = 0
    version: int = 1
    created_at: datetime
    below_cost_confirmed_at: datetime | None = None
