"""Quotes as clients get them: the price of a basket with all that made it and all that did not."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.schema import Shown
from app.orders.service.pricing import Priced
from app.promotions.rules.coupons import CouponReason

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_OF_LINE = {"variant_id": f"{_ID}4", "product_id": f"{_ID}3", "quantity": 1, "list_amount": 19_900}
_OFF = {
    "kind": "group_price",
    "promotion_id": None,
    "promotion_version": None,
    "amount": 10_000,
    "units": 1,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class PriceAdjustmentShown(Shown):
    """What one rule took off a line."""

    kind: str
    promotion_id: UUID | None
    promotion_version: int | None
    amount: int
    units: int


class QuoteLineShown(Shown):
    """A line with every adjustment; amounts are minor units, `*_amount` of one unit as named."""

    variant_id: UUID
    product_id: UUID
    title: str
    quantity: int
    list_amount: int = Field(description="List price of one unit.")
    price_amount: int = Field(description="Price of one unit before promotions.")
    payable_amount: int = Field(description="For all units, after promotions.")
    adjustments: list[PriceAdjustmentShown]


class AppliedShown(PriceAdjustmentShown):
    """A rule that made this price, with its name in both languages where it has one."""

    names: dict[str, str]


class NotAppliedShown(Shown):
    """A rule that did not, and the stable reason why."""

    kind: str
    promotion_id: UUID
    names: dict[str, str]
    code: str
    params: dict[str, Any]


class CouponRefusedShown(Shown):
    """A code or coupon that changes nothing, and the stable reason why."""

    model_config = _example(
        code="BAYBERRY26", coupon_id=None, promotion_id=f"{_ID}6", reason="coupon_expired"
    )

    code: str | None = Field(description="As it was typed.")
    coupon_id: UUID | None
    promotion_id: UUID | None
    reason: CouponReason


class QuoteShown(Shown):
    """The price of a basket, explained; `quote_id` holds the shop to it until `expires_at`."""

    model_config = _example(
        quote_id="c2VhbGVk",
        expires_at="2026-06-18T04:15:00Z",
        currency="CNY",
        lines=[
            {
                **_OF_LINE,
                "title": "东魁杨梅",
                "price_amount": 9_900,
                "payable_amount": 9_900,
                "adjustments": [_OFF],
            }
        ],
        goods_list_amount=19_900,
        goods_discount_amount=10_000,
        goods_payable_amount=9_900,
        shipping_amount=0,
        total_amount=9_900,
        applied=[{**_OFF, "names": {}}],
        not_applied=[],
        coupons=[],
        optimality="proven",
        bound_amount=9_900,
        runner_up_amount=None,
        rounding="half_up_per_unit",
        allocation="largest_remainder_ties_to_earlier",
    )

    quote_id: str
    expires_at: datetime
    currency: str
    lines: list[QuoteLineShown]
    goods_list_amount: int
    goods_discount_amount: int
    goods_payable_amount: int
    shipping_amount: int
    total_amount: int
    applied: list[AppliedShown]
    not_applied: list[NotAppliedShown]
    coupons: list[CouponRefusedShown] = Field(description="Those presented that change nothing.")
    optimality: Literal["proven", "best_found"]
    bound_amount: int
    runner_up_amount: int | None
    rounding: str
    allocation: str

    @staticmethod
    def of(priced: Priced, quote_id: str, expires_at: datetime) -> "QuoteShown":
        """The quote as the buyer sees it."""
        quote, names = priced.quote, priced.names
        return QuoteShown(
            quote_id=quote_id,
            expires_at=expires_at,
            lines=[
                QuoteLineShown(
                    variant_id=line.variant_id,
                    product_id=line.product_id,
                    title=priced.goods.goods[line.variant_id].product_title,
                    quantity=line.quantity,
                    list_amount=line.list_amount,
                    price_amount=line.price_amount,
                    payable_amount=line.payable_amount,
                    adjustments=[PriceAdjustmentShown.model_validate(a) for a in line.adjustments],
                )
                for line in quote.lines
            ],
            applied=[
                AppliedShown(
                    kind=a.kind,
                    promotion_id=a.promotion_id,
                    promotion_version=a.promotion_version,
                    amount=a.amount,
                    units=a.units,
                    names=dict(names.get(a.promotion_id, {})) if a.promotion_id else {},
                )
                for a in quote.applied
            ],
            not_applied=[
                NotAppliedShown(
                    kind=n.kind,
                    promotion_id=n.promotion_id,
                    names=dict(names.get(n.promotion_id, {})),
                    code=n.code,
                    params=dict(n.params),
                )
                for n in quote.not_applied
            ],
            coupons=[CouponRefusedShown.model_validate(one) for one in priced.purse.refused],
            **{name: getattr(quote, name) for name in _QUOTE_AMOUNTS},
        )


_QUOTE_AMOUNTS = (
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
