"""Quotes as clients get them: the price of a basket with all that made it and all that did not."""

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.core.http.schema import Shown
from app.core.i18n import Language
from app.orders.service.pricing import Priced
from app.promotions.pricing.answer import (
    AddOnItem,
    Adjustment,
    GiftLine,
    NotApplied,
    Nudge,
    QuoteLine,
)
from app.promotions.rules.coupons import CouponReason
from app.promotions.rules.texts import COUPON_TEXTS, NUDGE_TEXTS, REASON_TEXTS, Texts, text_of

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


PairShown = Annotated[list[int], Field(min_length=2, max_length=2)]


class UnitShareShown(Shown):
    """So many units of a line that cost so much each."""

    amount: int
    units: int


class QuoteLineShown(Shown):
    """A line with every adjustment; amounts are minor units, `*_amount` of one unit as named."""

    origin: Literal["goods", "add_on"]
    add_on_id: UUID | None = Field(description="The add-on promotion it was chosen from.")
    variant_id: UUID
    product_id: UUID
    title: str
    quantity: int
    list_amount: int = Field(description="List price of one unit.")
    price_amount: int = Field(description="Price of one unit before promotions.")
    payable_amount: int = Field(description="For all units, after promotions.")
    adjustments: list[PriceAdjustmentShown]
    unit_shares: list[UnitShareShown] = Field(
        description="What each unit costs in the end, and a refund of it pays back."
    )


class AppliedShown(PriceAdjustmentShown):
    """A rule that made this price, with its name in both languages where it has one."""

    names: dict[str, str]


class NotAppliedShown(Shown):
    """A rule that did not, and the stable reason why; `text` tells it in the reader's language."""

    kind: str
    promotion_id: UUID
    names: dict[str, str]
    code: str
    params: dict[str, Any]
    text: str


class NudgeShown(NotAppliedShown):
    """What more would earn what (还差多少): the nearest few."""


class GiftShown(Shown):
    """Units given for nothing."""

    promotion_id: UUID
    names: dict[str, str]
    variant_id: UUID
    product_id: UUID
    title: str
    quantity: int
    list_amount: int


class AddOnItemShown(Shown):
    """Goods that the basket unlocks at a token price, or would with `missing_amount` more."""

    promotion_id: UUID
    names: dict[str, str]
    variant_id: UUID
    product_id: UUID
    title: str
    list_amount: int
    price_amount: int = Field(description="Of one unit, once unlocked.")
    units_max: int
    missing_amount: int
    felt_return: PairShown = Field(description="What a unit saves, for what it costs.")
    true_discount: PairShown = Field(
        description="What a unit saves, of the goods that qualify and its own price."
    )


class CouponRefusedShown(Shown):
    """A code or coupon that changes nothing, and the stable reason why."""

    model_config = _example(
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

    model_config = _example(**_SHOWN_QUOTE)

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

    model_config = _example(
        quote_id="c2VhbGVk", expires_at="2026-06-18T04:15:00Z", **_SHOWN_QUOTE, coupons=[]
    )

    quote_id: str
    expires_at: datetime
    coupons: list[CouponRefusedShown] = Field(description="Those presented that change nothing.")

    @staticmethod
    def of(priced: Priced, quote_id: str, expires_at: datetime, language: Language) -> "QuoteShown":
        """The quote as the buyer sees it."""
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
            **_Telling(priced, language).fields(),
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
class _Telling:
    """The quote in the reader's language, with the names of goods and promotions."""

    priced: Priced
    language: Language

    def fields(self) -> dict[str, Any]:
        """Everything but the seal."""
        quote = self.priced.quote
        return {
            **{name: getattr(quote, name) for name in _AS_THEY_ARE},
            "lines": [self._line(line) for line in quote.lines],
            "gifts": [self._gift(gift) for gift in quote.gifts],
            "shipping_adjustments": [_adjustment(row) for row in quote.shipping_adjustments],
            "applied": [
                AppliedShown(**asdict(row), names=self._names(row.promotion_id))
                for row in quote.applied
            ],
            "not_applied": [
                NotAppliedShown(**self._told(row, REASON_TEXTS)) for row in quote.not_applied
            ],
            "nudges": [NudgeShown(**self._told(row, NUDGE_TEXTS)) for row in quote.nudges],
            "add_on_items": [self._item(item) for item in quote.add_on_items],
        }

    def _names(self, promotion_id: UUID | None) -> dict[str, str]:
        return dict(self.priced.live.names.get(promotion_id, {})) if promotion_id else {}

    def _told(self, row: NotApplied | Nudge, texts: Texts) -> dict[str, Any]:
        params = dict(row.params)
        currency = self.priced.quote.currency
        return {
            "kind": row.kind,
            "promotion_id": row.promotion_id,
            "names": self._names(row.promotion_id),
            "code": row.code,
            "params": params,
            "text": text_of(texts, row.code, params, self.language, currency),
        }

    def _title(self, variant_id: UUID) -> str:
        return self.priced.goods_of(variant_id).product_title

    def _line(self, line: QuoteLine) -> QuoteLineShown:
        return QuoteLineShown(
            origin=line.origin,
            add_on_id=line.add_on_id,
            variant_id=line.variant_id,
            product_id=line.product_id,
            title=self._title(line.variant_id),
            quantity=line.quantity,
            list_amount=line.list_amount,
            price_amount=line.price_amount,
            payable_amount=line.payable_amount,
            adjustments=[_adjustment(row) for row in line.adjustments],
            unit_shares=[
                UnitShareShown(amount=amount, units=sum(1 for _ in run))
                for amount, run in groupby(line.unit_share_amounts)
            ],
        )

    def _gift(self, gift: GiftLine) -> GiftShown:
        goods = self.priced.goods_of(gift.variant_id)
        return GiftShown(
            promotion_id=gift.promotion_id,
            names=self._names(gift.promotion_id),
            variant_id=gift.variant_id,
            product_id=goods.product_id,
            title=goods.product_title,
            quantity=gift.quantity,
            list_amount=goods.list_amount,
        )

    def _item(self, item: AddOnItem) -> AddOnItemShown:
        goods = self.priced.goods_of(item.variant_id)
        return AddOnItemShown(
            promotion_id=item.promotion_id,
            names=self._names(item.promotion_id),
            variant_id=item.variant_id,
            product_id=goods.product_id,
            title=goods.product_title,
            list_amount=item.list_amount,
            price_amount=item.price_amount,
            units_max=item.units_max,
            missing_amount=item.missing_amount,
            felt_return=list(item.felt_return),
            true_discount=list(item.true_discount),
        )


def _adjustment(row: Adjustment) -> PriceAdjustmentShown:
    return PriceAdjustmentShown(**asdict(row))
