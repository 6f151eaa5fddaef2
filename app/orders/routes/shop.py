"""The shop's side of the line of sale over HTTP: orders, refunds, replays."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.catalog.deps import needs, refusals
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Paged
from app.core.http.problem import problems
from app.core.http.route import Reading, Transactional
from app.core.security import Principal
from app.identity.deps import may
from app.identity.rules import Right
from app.orders import errors, service
from app.orders.models import OrderStatus
from app.orders.schemas import (
    OrderBriefShown,
    OrderPage,
    OrderShown,
    OwedRefundShown,
    PromotionReplayShown,
    PromotionReplayWish,
    RefundDecisionShown,
    RefundPage,
    RefundRequest,
    ShipWish,
)
from app.orders.service import RefundWish
from app.payments import errors as payment_errors
from app.payments import service as payments
from app.payments.models import RefundStatus
from app.promotions.errors import BadPromotion

_SIGNED = (Unauthenticated, Forbidden)

operator_router = APIRouter(
    tags=["operator_orders"],
    route_class=Transactional,
    prefix="/v1/operator/shops/{shop_id}/orders",
)

refunds_router = APIRouter(
    tags=["operator_orders"],
    route_class=Transactional,
    prefix="/v1/operator/shops/{shop_id}/refunds",
)
replays = APIRouter(tags=["operator_orders"], route_class=Reading)

ReadsOrders = Annotated[Principal, Depends(may(Right.ORDERS_READ))]
WritesOrders = Annotated[Principal, Depends(may(Right.ORDERS_WRITE))]
Refunds = Annotated[Principal, Depends(may(Right.REFUNDS_WRITE))]


@operator_router.get("", responses=problems(*_SIGNED, NotFound, InvalidCursor))
async def list_of_shop(
    shop_id: UUID,
    _: ReadsOrders,
    db: ReadDb,
    paging: Paged,
    status: OrderStatus | None = None,
    group_id: UUID | None = None,
) -> OrderPage:
    """The shop's orders, newest first; by state or by group."""
    filters = {k: v for k, v in (("status", status), ("group_id", group_id)) if v is not None}
    found = await service.orders_of_shop(db, shop_id, filters, paging)
    return paging.page(found, OrderBriefShown.of)


@operator_router.get("/{order_id}", responses=problems(*_SIGNED, NotFound))
async def get_of_shop(shop_id: UUID, order_id: UUID, _: ReadsOrders, db: ReadDb) -> OrderShown:
    """One order of the shop with its address, payments and refunds."""
    return OrderShown.whole(await service.order_of_shop(db, shop_id, order_id))


@operator_router.post(
    "/{order_id}/ship",
    responses=problems(
        *_SIGNED,
        NotFound,
        errors.OrderNotConfirmed,
        errors.NothingToShip,
        payment_errors.OrderDisputed,
        errors.WrongFulfilment,
    ),
)
async def ship(
    shop_id: UUID, order_id: UUID, wish: ShipWish, _: WritesOrders, db: Db, now: Now
) -> OrderShown:
    """Say that the goods are on their way; refused before the order is confirmed."""
    await service.ship(
        db,
        shop_id,
        order_id,
        carrier=wish.carrier,
        tracking_number=wish.tracking_number,
        now=now,
    )
    return OrderShown.whole(await service.order_of_shop(db, shop_id, order_id))


@operator_router.post(
    "/{order_id}/refunds",
    status_code=201,
    responses=problems(
        *_SIGNED,
        NotFound,
        errors.OrderNotConfirmed,
        errors.NothingToRefund,
        errors.RefundExceedsLine,
        payment_errors.OrderDisputed,
        errors.RefundExceedsShipping,
        errors.RefundAmountChanged,
        errors.RefundTotalChanged,
        errors.RefundAwaitsApproval,
        payment_errors.RefundExceedsPayment,
        payment_errors.RefundReferenceUsed,
    ),
)
async def refund(
    shop_id: UUID, order_id: UUID, wish: RefundRequest, _: Refunds, db: Db, now: Now
) -> RefundDecisionShown:
    """Decide a refund; it is sent to the buyer within seconds, `state` tells when it is back.

    Above the shop's limit it is `awaiting_approval`: nothing is owed until a second operator has
    approved it. A closed order is refunded alike.
    """
    said = wish.model_dump(exclude={"lines"})
    units = {line.line_id: line.quantity for line in wish.lines} if wish.lines else None
    deciding = RefundWish(units=units, **said)
    return RefundDecisionShown.of(await service.refund(db, shop_id, order_id, deciding, now=now))


@refunds_router.get("", responses=problems(*_SIGNED, NotFound, InvalidCursor))
async def list_refunds(
    shop_id: UUID, _: ReadsOrders, db: ReadDb, paging: Paged, state: RefundStatus | None = None
) -> RefundPage:
    """The shop's refunds in one state or all, newest first; failed ones are tried again."""
    found = await payments.refunds_of_shop(db, shop_id, state, paging)
    return paging.page(found, OwedRefundShown.of)


@refunds_router.post(
    "/{refund_id}/retry",
    responses=problems(*_SIGNED, NotFound, payment_errors.RefundNotRetryable),
)
async def retry_refund(
    shop_id: UUID, refund_id: UUID, _: Refunds, db: Db, now: Now
) -> OwedRefundShown:
    """Send a refund again at once, instead of when its next try is due."""
    sent = await payments.retry_refund(db, shop_id, refund_id, now=now)
    return OwedRefundShown.of(sent)


# A replay tells about orders, about the promotion, and by its margins about what goods cost.
_REPLAYS = [
    *needs(Right.PROMOTIONS_READ),
    *needs(Right.ORDERS_READ),
    *needs(Right.CATALOG_READ),
]


@replays.post(
    "/v1/operator/shops/{shop_id}/promotion-replays",
    dependencies=_REPLAYS,
    responses=refusals(BadPromotion),
)
async def replay_promotion(
    shop_id: UUID, wish: PromotionReplayWish, db: ReadDb, now: Now
) -> PromotionReplayShown:
    """Price the last days' paid orders again with a promotion and without it; nothing is written.

    Its own window and all limits are left out of account, its hours are not.
    """
    found = await service.replay(db, shop_id, wish.wanted(), days=wish.days, now=now)
    return PromotionReplayShown.of(found)


ROUTERS = (operator_router, refunds_router, replays)
