"""Quotes as clients get them: the price of a basket with all that made it and all that did not."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.core.http.schema import Shown
from app.core.i18n import Language
from app.orders.service.pricing import Priced
from app.promotions.pricing.answer import (
    AddOnItem,
    GiftLine,
    NotApplied,
    Nudge,
    QuoteLine,
)
from app.promotions.rules.coupons import CouponReason
from app.promotions.rules.texts import COUPON_TEXTS, NUDGE_TEXTS, REASON_TEXTS, Texts, text_of
from app.promotions.schemas.mechanics import example
from app.promotions.schemas.prices import (
    AppliedShown,
    GivenShown,
    OfferedShown,
    PriceAdjustmentShown,
    PricedLineShown,
    ReasonShown,
    Telling,
)

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_OF_LINE = {"variant_id": f"{_ID}4", "product_id": f"{_ID}3", "quantity": 1, "list_amount": 19_900}
_OFF = {
    "kind": "group_price",
    "promotion_id": None,
    "promotion_version": None,
    "amount": 10_000,
    "units": 1,
}


class UnitShareShown(Shown):
    """So many units of a line that cost so much each."""

    amount: int
    units: int


class QuoteLineShown(PricedLineShown):
    """A line as it was priced, with what a refund of each of its units pays back."""

    product_id: UUID
    unit_shares: list[UnitShareShown] = Field(
        description="What each unit costs in the end, and a refund of it pays back."
    )


class NotAppliedShown(ReasonShown):
    """A rule that did not apply, and why; `text` tells it in the reader's language."""

    text: str


class NudgeShown(NotAppliedShown):
    """What more would earn what (还差多少): the nearest few."""


class GiftShown(GivenShown):
    """Units given for nothing."""

    product_id: UUID
    list_amount: int


class AddOnItemShown(OfferedShown):
    """Goods that the basket unlocks at a token price, or would with `missing_amount` more."""

    product_id: UUID


class CouponRefusedShown(Shown):
    """A code or coupon that changes nothing, and the stable reason why."""

    model_config = example(
        code="BAYBERRY26",
        coupon_id=None,
        promotion_id=f"{_ID}6",
        reason="coupon_stopped",
        text="优惠券已停用",
    )

    code: str | None = Field(description="As it was typed.")
    coupon_id: UUID | None
    promotion_id: UUID | None
    reason: CouponReason
    text: str


_SHOWN_QUOTE = {
    "currency": "CNY",
    "lines": [
        {
            "origin": "goods",
            "add_on_id": None,
            **_OF_LINE,
            "title": "东魁杨梅",
            "price_amount": 9_900,
            "payable_amount": 9_900,
            "adjustments": [_OFF],
            "unit_shares": [{"amount": 9_900, "units": 1}],
        }
    ],
    "gifts": [],
    "goods_list_amount": 19_900,
    "goods_discount_amount": 10_000,
    "goods_payable_amount": 9_900,
    "shipping_list_amount": 0,
    "shipping_adjustments": [],
    "shipping_amount": 0,
    "points_amount": 0,
    "total_amount": 9_900,
    "applied": [{**_OFF, "names": {}}],
    "not_applied": [],
    "nudges": [],
    "add_on_items": [],
    "policy": "best_for_buyer",
    "optimality": "proven",
    "bound_amount": 9_900,
    "runner_up_amount": None,
    "rounding": "half_up_per_unit",
    "allocation": "largest_remainder_ties_to_dearer",
}


class PricedShown(Shown):
    """The price of a basket, explained: what each line costs and why, and each rule's fate."""

    model_config = example(**_SHOWN_QUOTE)

    currency: str
    lines: list[QuoteLineShown]
    gifts: list[GiftShown]
    goods_list_amount: int
    goods_discount_amount: int
    goods_payable_amount: int
    shipping_list_amount: int
    shipping_adjustments: list[PriceAdjustmentShown]
    shipping_amount: int
    points_amount: int
    total_amount: int
    applied: list[AppliedShown]
    not_applied: list[NotAppliedShown]
    nudges: list[NudgeShown]
    add_on_items: list[AddOnItemShown]
    policy: Literal["best_for_buyer", "priority"]
    optimality: Literal["proven", "best_found"]
    bound_amount: int = Field(description="No combination costs less; the total when proven.")
    runner_up_amount: int | None = Field(
        description="The least total found without one of the rules applied."
    )
    rounding: str
    allocation: str


class QuoteShown(PricedShown):
    """A basket's price; `quote_id` holds the shop to it until `expires_at`."""

    model_config = example(
        quote_id="c2VhbGVk", expires_at="2026-06-18T04:15:00Z", **_SHOWN_QUOTE, coupons=[]
    )

    quote_id: str
    expires_at: datetime
    coupons: list[CouponRefusedShown] = Field(description="Those presented that change nothing.")

    @staticmethod
    def of(priced: Priced, quote_id: str, expires_at: datetime, language: Language) -> "QuoteShown":
        """The quote as the buyer sees it."""
        telling = Telling(priced.live.names, priced.goods_of)
        return QuoteShown(
            quote_id=quote_id,
            expires_at=expires_at,
            coupons=[
                CouponRefusedShown(
                    code=one.code,
                    coupon_id=one.coupon_id,
                    promotion_id=one.promotion_id,
                    reason=one.reason,
                    text=text_of(COUPON_TEXTS, one.reason, {}, language, priced.quote.currency),
                )
                for one in priced.purse.refused
            ],
            **_Quote(priced, language, telling).fields(),
        )


_AS_THEY_ARE = (
    "currency",
    "goods_list_amount",
    "goods_discount_amount",
    "goods_payable_amount",
    "shipping_list_amount",
    "shipping_amount",
    "points_amount",
    "total_amount",
    "policy",
    "optimality",
    "bound_amount",
    "runner_up_amount",
    "rounding",
    "allocation",
)


@dataclass(frozen=True, slots=True)
class _Quote:
    """The quote in the reader's language, with the names of goods and promotions."""

    priced: Priced
    language: Language
    telling: Telling

    def fields(self) -> dict[str, Any]:
        """Everything but the seal."""
        quote = self.priced.quote
        return {
            **{name: getattr(quote, name) for name in _AS_THEY_ARE},
            "lines": [self._line(line) for line in quote.lines],
            "gifts": [self._gift(gift) for gift in quote.gifts],
            "shipping_adjustments": [
                PriceAdjustmentShown.of(row) for row in quote.shipping_adjustments
            ],
            "applied": [self.telling.applied(row) for row in quote.applied],
            "not_applied": [
                NotAppliedShown(**self._told(row, REASON_TEXTS)) for row in quote.not_applied
            ],
            "nudges": [NudgeShown(**self._told(row, NUDGE_TEXTS)) for row in quote.nudges],
            "add_on_items": [self._item(item) for item in quote.add_on_items],
        }

    def _told(self, row: NotApplied | Nudge, texts: Texts) -> dict[str, Any]:
        reason = self.telling.reason(row)
        currency = self.priced.quote.currency
        text = text_of(texts, row.code, reason["params"], self.language, currency)
        return {**reason, "text": text}

    def _line(self, line: QuoteLine) -> QuoteLineShown:
        return QuoteLineShown(
            **self.telling.line(line),
            product_id=line.product_id,
            unit_shares=[
                UnitShareShown(amount=amount, units=sum(1 for _ in run))
                for amount, run in groupby(line.unit_share_amounts)
            ],
        )

    def _gift(self, gift: GiftLine) -> GiftShown:
        goods = self.priced.goods_of(gift.variant_id)
        return GiftShown(
            **self.telling.given(gift), product_id=goods.product_id, list_amount=goods.list_amount
        )

    def _item(self, item: AddOnItem) -> AddOnItemShown:
        goods = self.priced.goods_of(item.variant_id)
        return AddOnItemShown(**self.telling.offered(item), product_id=goods.product_id)
