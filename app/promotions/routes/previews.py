"""Previews: what a promotion would do, before any buyer meets it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from app.catalog.deps import needs, refusals
from app.catalog.errors import VariantNotFound
from app.catalog.rules import BasketGoods
from app.core.clock import Now
from app.core.db import ReadDb
from app.core.http.route import Reading
from app.identity.rules import Right
from app.promotions import service
from app.promotions.errors import AddOnNotOffered, BadPromotion
from app.promotions.rules.previews import TrialBasket
from app.promotions.rules.trials import Conflict, Outcome
from app.promotions.schemas.previews import (
    PromotionPreviewShown,
    PromotionPreviewWish,
    TrialBasketShown,
    TrialBuyer,
    TrialConflict,
    TrialGift,
    TrialLine,
    TrialLineShown,
    TrialPrice,
    TrialThreshold,
)
from app.promotions.schemas.prices import OfferedShown, PriceAdjustmentShown, ReasonShown, Telling
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
    return _Preview(found).preview()


@dataclass(frozen=True, slots=True)
class _Preview:
    """A preview with the names of goods and promotions."""

    found: Preview

    @property
    def _names(self) -> Mapping[UUID, Mapping[str, str]]:
        return self.found.tried.live.names

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

    def _conflict(self, one: Conflict) -> TrialConflict:
        return TrialConflict(
            promotion_id=one.promotion_id,
            names=dict(self._names.get(one.promotion_id, {})),
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
        telling = Telling(self._names, known.__getitem__)
        return TrialPrice(
            list_amount=outcome.list_amount,
            pay_amount=outcome.pay_amount,
            off_amount=outcome.list_amount - outcome.pay_amount,
            margin_amount=outcome.margin_amount,
            below_cost_variant_ids=list(dict.fromkeys(outcome.below_cost)),
            shipping_list_amount=quote.shipping_list_amount,
            shipping_amount=quote.shipping_amount,
            lines=[
                TrialLineShown(**telling.line(row), cost_amount=known[row.variant_id].cost_amount)
                for row in quote.lines
            ],
            shipping_adjustments=[PriceAdjustmentShown.of(r) for r in quote.shipping_adjustments],
            gifts=[
                TrialGift(**telling.given(row), cost_amount=known[row.variant_id].cost_amount)
                for row in quote.gifts
            ],
            applied=[telling.applied(row) for row in quote.applied],
            not_applied=[ReasonShown(**telling.reason(row)) for row in quote.not_applied],
            add_on_items=[OfferedShown(**telling.offered(row)) for row in quote.add_on_items],
            optimality=quote.optimality,
            bound_amount=quote.bound_amount,
        )


def _lines(basket: TrialBasket) -> list[TrialLine]:
    lines: list[dict[str, Any]] = [asdict(line) for line in basket.lines]
    lines += [
        {"variant_id": one.variant_id, "quantity": one.quantity, "add_on_id": one.promotion_id}
        for one in basket.add_ons
    ]
    return [TrialLine(**line) for line in lines]
