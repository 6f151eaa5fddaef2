"""What comes after the sale over HTTP: requests, previews, approvals, timelines."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, InvalidCursor, NotFound, Unauthenticated
from app.core.http.paging import Paged
from app.core.http.problem import problems
from app.core.http.route import Reading, Transactional
from app.core.i18n import Lang
from app.core.security import Principal
from app.identity.deps import SignedIn, may
from app.identity.rules import Right
from app.orders import errors, service
from app.orders.models import AfterSalesState, ApprovalState
from app.orders.routes.buying import Config
from app.orders.schemas import (
    AfterSalesGrant,
    AfterSalesPage,
    AfterSalesRequest,
    AfterSalesShown,
    DecisionNote,
    DecisionReason,
    RefundApprovalPage,
    RefundApprovalShown,
    RefundPreviewShown,
    RefundPreviewWish,
    TimelineShown,
)
from app.payments import errors as payment_errors

_SIGNED = (Unauthenticated, Forbidden)
_PLANNING = (
    errors.OrderNotConfirmed,
    errors.NothingToRefund,
    errors.RefundExceedsLine,
    errors.RefundExceedsShipping,
)
_OWING = (
    errors.NothingToRefund,
    errors.RefundExceedsLine,
    errors.RefundExceedsShipping,
    errors.RefundAmountChanged,
    payment_errors.OrderDisputed,
    payment_errors.RefundExceedsPayment,
    payment_errors.RefundReferenceUsed,
)

ReadsOrders = Annotated[Principal, Depends(may(Right.ORDERS_READ))]
Refunds = Annotated[Principal, Depends(may(Right.REFUNDS_WRITE))]
# No key has it: a second person looks at a large refund.
Approves = Annotated[Principal, Depends(may(Right.REFUNDS_APPROVE))]

_OPERATOR = "/v1/operator/shops/{shop_id}"
_SHOP_REQUEST = _OPERATOR + "/after-sales/{after_sales_id}"
_APPROVAL = _OPERATOR + "/refund-approvals/{approval_id}"

members = APIRouter(tags=["orders"], route_class=Transactional)
member_previews = APIRouter(tags=["orders"], route_class=Reading)
operators = APIRouter(tags=["operator_orders"], route_class=Transactional)
operator_previews = APIRouter(tags=["operator_orders"], route_class=Reading)


@member_previews.post(
    "/v1/orders/{order_id}/refund-previews", responses=problems(*_SIGNED, NotFound, *_PLANNING)
)
async def preview_own_refund(
    order_id: UUID, wish: RefundPreviewWish, buyer: SignedIn, db: ReadDb
) -> RefundPreviewShown:
    """What units of the caller's order would pay back, and why; nothing is written."""
    which = {"member_id": buyer.id, "id": order_id}
    return RefundPreviewShown.of(await service.preview(db, which, wish.wanted()))


@operator_previews.post(
    _OPERATOR + "/orders/{order_id}/refund-previews",
    responses=problems(*_SIGNED, NotFound, *_PLANNING),
)
async def preview_refund(
    shop_id: UUID, order_id: UUID, wish: RefundPreviewWish, _: ReadsOrders, db: ReadDb
) -> RefundPreviewShown:
    """What a refund would come to, and why; nothing is written."""
    which = {"shop_id": shop_id, "id": order_id}
    return RefundPreviewShown.of(await service.preview(db, which, wish.wanted()))


@members.post(
    "/v1/orders/{order_id}/after-sales",
    status_code=201,
    responses=problems(
        *_SIGNED,
        NotFound,
        *_PLANNING,
        errors.AfterSalesOpen,
        errors.AfterSalesWindowOver,
        errors.OrderIsClosed,
        errors.RefundAmountChanged,
        errors.WrongFulfilment,
    ),
)
async def request_after_sales(
    order_id: UUID, wish: AfterSalesRequest, buyer: SignedIn, db: Db, now: Now, config: Config
) -> AfterSalesShown:
    """Ask the shop for money back; one request of an order is open at a time."""
    period = timedelta(seconds=config.return_period_seconds)
    made = await service.request_after_sales(
        db, buyer.id, order_id, wish.asked(), return_period=period, now=now
    )
    return AfterSalesShown.of(made)


@members.get("/v1/after-sales", responses=problems(*_SIGNED, InvalidCursor))
async def list_own_requests(
    buyer: SignedIn, db: ReadDb, paging: Paged, order_id: UUID | None = None
) -> AfterSalesPage:
    """The caller's requests, newest first; of one order or all."""
    which = {"member_id": buyer.id, **({"order_id": order_id} if order_id else {})}
    return paging.page(await service.list_after_sales(db, which, paging), AfterSalesShown.of)


@members.get("/v1/after-sales/{after_sales_id}", responses=problems(*_SIGNED, NotFound))
async def get_own_request(after_sales_id: UUID, buyer: SignedIn, db: ReadDb) -> AfterSalesShown:
    """One of the caller's requests."""
    which = {"member_id": buyer.id, "id": after_sales_id}
    return AfterSalesShown.of(await service.after_sales_of(db, which))


@members.post(
    "/v1/after-sales/{after_sales_id}/withdraw",
    responses=problems(*_SIGNED, NotFound, errors.WrongAfterSalesState),
)
async def withdraw_request(
    after_sales_id: UUID, buyer: SignedIn, db: Db, now: Now
) -> AfterSalesShown:
    """Want nothing back any more; refused while a second operator looks at it."""
    return AfterSalesShown.of(
        await service.withdraw_after_sales(db, buyer.id, after_sales_id, now=now)
    )


@members.get("/v1/orders/{order_id}/timeline", responses=problems(*_SIGNED, NotFound))
async def timeline_own(order_id: UUID, buyer: SignedIn, db: ReadDb, lang: Lang) -> TimelineShown:
    """All that happened to one of the caller's orders, in the order of time."""
    found = await service.timeline(db, {"member_id": buyer.id, "id": order_id})
    return TimelineShown.of(found, lang)


@operators.get(_OPERATOR + "/orders/{order_id}/timeline", responses=problems(*_SIGNED, NotFound))
async def timeline_of_shop(
    shop_id: UUID, order_id: UUID, _: ReadsOrders, db: ReadDb, lang: Lang
) -> TimelineShown:
    """All that happened to an order of the shop, its approvals too."""
    found = await service.timeline(db, {"shop_id": shop_id, "id": order_id})
    return TimelineShown.of(found, lang)


@operators.get(_OPERATOR + "/after-sales", responses=problems(*_SIGNED, NotFound, InvalidCursor))
async def list_requests(
    shop_id: UUID,
    _: ReadsOrders,
    db: ReadDb,
    paging: Paged,
    state: AfterSalesState | None = None,
    order_id: UUID | None = None,
) -> AfterSalesPage:
    """The shop's requests, newest first; by state or by order."""
    filters = {k: v for k, v in (("state", state), ("order_id", order_id)) if v is not None}
    found = await service.list_after_sales(db, {"shop_id": shop_id, **filters}, paging)
    return paging.page(found, AfterSalesShown.of)


@operators.get(_SHOP_REQUEST, responses=problems(*_SIGNED, NotFound))
async def get_request(
    shop_id: UUID, after_sales_id: UUID, _: ReadsOrders, db: ReadDb
) -> AfterSalesShown:
    """One request to the shop."""
    which = {"shop_id": shop_id, "id": after_sales_id}
    return AfterSalesShown.of(await service.after_sales_of(db, which))


@operators.post(
    _SHOP_REQUEST + "/approve",
    responses=problems(
        *_SIGNED, NotFound, *_OWING, errors.WrongAfterSalesState, errors.RefundAwaitsApproval
    ),
)
async def approve_request(
    shop_id: UUID, after_sales_id: UUID, wish: AfterSalesGrant, _: Refunds, db: Db, now: Now
) -> AfterSalesShown:
    """Grant a request: its refund is owed with the decision, or awaits a second operator.

    A return may be granted before the goods are back.
    """
    granting = service.Granting(wish.note, wish.restock, wish.expected_amount)
    return AfterSalesShown.of(
        await service.approve_after_sales(db, shop_id, after_sales_id, granting, now=now)
    )


@operators.post(
    _SHOP_REQUEST + "/await-return",
    responses=problems(*_SIGNED, NotFound, errors.WrongAfterSalesState),
)
async def await_return(
    shop_id: UUID, after_sales_id: UUID, wish: DecisionNote, _: Refunds, db: Db, now: Now
) -> AfterSalesShown:
    """Agree that goods come back; approve the request once they have."""
    return AfterSalesShown.of(
        await service.await_return(db, shop_id, after_sales_id, note_text=wish.note, now=now)
    )


@operators.post(
    _SHOP_REQUEST + "/reject",
    responses=problems(*_SIGNED, NotFound, errors.WrongAfterSalesState),
)
async def reject_request(
    shop_id: UUID, after_sales_id: UUID, wish: DecisionReason, _: Refunds, db: Db, now: Now
) -> AfterSalesShown:
    """Refuse a request, and say why."""
    return AfterSalesShown.of(
        await service.reject_after_sales(db, shop_id, after_sales_id, note_text=wish.note, now=now)
    )


@operators.get(
    _OPERATOR + "/refund-approvals", responses=problems(*_SIGNED, NotFound, InvalidCursor)
)
async def list_approvals(
    shop_id: UUID, _: ReadsOrders, db: ReadDb, paging: Paged, state: ApprovalState | None = None
) -> RefundApprovalPage:
    """Refunds that await or awaited a second operator, newest first."""
    found = await service.approvals_of_shop(db, shop_id, state, paging)
    return paging.page(found, lambda row: RefundApprovalShown.model_validate(dict(row)))


@operators.post(
    _APPROVAL + "/approve",
    responses=problems(
        *_SIGNED, NotFound, *_OWING, errors.RefundApprovalDecided, errors.SecondApproverNeeded
    ),
)
async def approve_refund(
    shop_id: UUID, approval_id: UUID, wish: DecisionNote, _: Approves, db: Db, now: Now
) -> RefundApprovalShown:
    """Confirm a refund that somebody else has asked for; it is owed from now on."""
    decided = await service.decide_approval(
        db, shop_id, approval_id, is_approved=True, note_text=wish.note, now=now
    )
    return RefundApprovalShown.model_validate(dict(decided))


@operators.post(
    _APPROVAL + "/reject",
    responses=problems(*_SIGNED, NotFound, errors.RefundApprovalDecided),
)
async def reject_refund(
    shop_id: UUID, approval_id: UUID, wish: DecisionReason, _: Approves, db: Db, now: Now
) -> RefundApprovalShown:
    """Say no to a refund that awaits approval, or take it back."""
    decided = await service.decide_approval(
        db, shop_id, approval_id, is_approved=False, note_text=wish.note, now=now
    )
    return RefundApprovalShown.model_validate(dict(decided))


ROUTERS = (members, member_previews, operators, operator_previews)
