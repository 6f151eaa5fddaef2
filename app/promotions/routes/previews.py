"""Previews: what a promotion would do, before any buyer meets it."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from app.catalog.deps import needs, refusals
from app.catalog.errors import VariantNotFound
from app.catalog.rules import BasketGoods, Goods
from app.core.clock import Now
from app.core.db import ReadDb
from app.core.http.route import Reading
from app.identity.rules import Right
from app.promotions import service
from app.promotions.errors import AddOnNotOffered, BadPromotion
from app.promotions.pricing.answer import AddOnItem, GiftLine, NotApplied, QuoteLine
from app.promotions.rules.previews import TrialBasket
from app.promotions.rules.trials import Conflict, Outcome
from app.promotions.schemas.previews import (
    PromotionPreviewShown,
    PromotionPreviewWish,
    TrialAddOnItem,
    TrialAdjustment,
    TrialApplied,
    TrialBasketShown,
    TrialBuyer,
    TrialConflict,
    TrialGift,
    TrialLine,
    TrialLineShown,
    TrialNotApplied,
    TrialPrice,
    TrialThreshold,
)
from app.promotions.service.previews import Preview, Previewed, PreviewWish

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/promotions", tags=["promotions"], route_class=Reading
)

# Margins tell what goods cost, which the catalogue shows only to those who may read it.
_SEES_MARGINS = [*needs(Right.PROMOTIONS_READ), *needs(Right.CATALOG_READ)]


@router.post(
    "/previews",
    dependencies=_SEES_MARGINS,
    responses=refusals(VariantNotFound, BadPromotion, AddOnNotOffered),
)
async def preview_promotion(
    shop_id: UUID, wish: PromotionPreviewWish, db: ReadDb, now: Now
) -> PromotionPreviewShown:
    """Price baskets with a promotion among the live ones and without it; nothing is written."""
    wanted = PreviewWish(
        promotion=wish.wanted(),
        baskets=wish.trial_baskets(),
        buyer=wish.buyer.buyer() if wish.buyer else None,
        at=wish.at,
        channel=wish.channel,
    )
    found = await service.preview(db, shop_id, wanted, now=now)
    return _Telling(found).preview()


@dataclass(frozen=True, slots=True)
class _Telling:
    """A preview with the names of goods and promotions."""

    found: Preview

    def preview(self) -> PromotionPreviewShown:
        """All of it."""
        found, shop = self.found, self.found.tried.shop
        return PromotionPreviewShown(
            promotion_id=found.tried.draft.id,
            currency=shop.currency,
            policy=shop.promotion_policy.value,
            at=found.at,
            channel=found.channel,
            buyer=TrialBuyer.of(found.buyer),
            conflicts=[self._conflict(one) for one in found.conflicts],
            baskets=[self._basket(one) for one in found.baskets],
        )

    def _names(self, promotion_id: UUID | None) -> dict[str, str]:
        return dict(self.found.tried.live.names.get(promotion_id, {})) if promotion_id else {}

    def _conflict(self, one: Conflict) -> TrialConflict:
        return TrialConflict(
            promotion_id=one.promotion_id,
            names=self._names(one.promotion_id),
            kind=one.kind,
            code=one.code,
            baskets=list(one.baskets),
        )

    def _basket(self, one: Previewed) -> TrialBasketShown:
        basket = one.basket
        return TrialBasketShown(
            reason=basket.reason,
            threshold=(
                TrialThreshold.model_validate(basket.threshold) if basket.threshold else None
            ),
            subtotal_amount=basket.subtotal_amount,
            units=basket.units,
            is_in_stock=one.is_in_stock,
            basket=_lines(basket),
            with_promotion=self._price(one.pair.with_promotion, one.goods),
            without_promotion=self._price(one.pair.without_promotion, one.goods),
        )

    def _price(self, outcome: Outcome, goods: BasketGoods) -> TrialPrice:
        quote, known = outcome.quote, {**goods.also, **goods.goods}
        return TrialPrice(
            list_amount=outcome.list_amount,
            pay_amount=outcome.pay_amount,
            off_amount=outcome.list_amount - outcome.pay_amount,
            margin_amount=outcome.margin_amount,
            below_cost_variant_ids=list(dict.fromkeys(outcome.below_cost)),
            shipping_list_amount=quote.shipping_list_amount,
            shipping_amount=quote.shipping_amount,
            lines=[_line(row, known[row.variant_id]) for row in quote.lines],
            shipping_adjustments=[TrialAdjustment(**asdict(r)) for r in quote.shipping_adjustments],
            gifts=[self._gift(row, known[row.variant_id]) for row in quote.gifts],
            applied=[
                TrialApplied(**asdict(row), names=self._names(row.promotion_id))
                for row in quote.applied
            ],
            not_applied=[self._not_applied(row) for row in quote.not_applied],
            add_on_items=[self._item(row, known[row.variant_id]) for row in quote.add_on_items],
            optimality=quote.optimality,
            bound_amount=quote.bound_amount,
        )

    def _not_applied(self, row: NotApplied) -> TrialNotApplied:
        return TrialNotApplied(
            kind=row.kind,
            promotion_id=row.promotion_id,
            names=self._names(row.promotion_id),
            code=row.code,
            params=dict(row.params),
        )

    def _gift(self, row: GiftLine, goods: Goods) -> TrialGift:
        return TrialGift(
            promotion_id=row.promotion_id,
            names=self._names(row.promotion_id),
            variant_id=row.variant_id,
            title=goods.product_title,
            quantity=row.quantity,
            cost_amount=goods.cost_amount,
        )

    def _item(self, row: AddOnItem, goods: Goods) -> TrialAddOnItem:
        return TrialAddOnItem(
            promotion_id=row.promotion_id,
            names=self._names(row.promotion_id),
            variant_id=row.variant_id,
            title=goods.product_title,
            list_amount=row.list_amount,
            price_amount=row.price_amount,
            units_max=row.units_max,
            missing_amount=row.missing_amount,
            felt_return=list(row.felt_return),
            true_discount=list(row.true_discount),
        )


def _lines(basket: TrialBasket) -> list[TrialLine]:
    lines: list[dict[str, Any]] = [asdict(line) for line in basket.lines]
    lines += [
        {"variant_id": one.variant_id, "quantity": one.quantity, "add_on_id": one.promotion_id}
        for one in basket.add_ons
    ]
    return [TrialLine(**line) for line in lines]


def _line(row: QuoteLine, goods: Goods) -> TrialLineShown:
    return TrialLineShown(
        origin=row.origin,
        add_on_id=row.add_on_id,
        variant_id=row.variant_id,
        title=goods.product_title,
        quantity=row.quantity,
        list_amount=row.list_amount,
        price_amount=row.price_amount,
        cost_amount=goods.cost_amount,
        payable_amount=row.payable_amount,
        adjustments=[TrialAdjustment(**asdict(one)) for one in row.adjustments],
    )
