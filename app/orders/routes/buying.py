"""The buyer's line of sale over HTTP: quote, place, pay, cancel, leave a group, receive."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from app.catalog.errors import OutOfStock, ShopPaused, VariantNotFound
from app.community.errors import NotAMember
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import Forbidden, NotFound, Unauthenticated
from app.core.http.paging import Paged
from app.core.http.problem import problems
from app.core.http.route import GoOutside, Reading, Transactional, attempt_of
from app.core.i18n import Lang, Language
from app.core.security import Tokens
from app.groupbuy import errors as group_errors
from app.groupbuy import service as groupbuy
from app.identity.deps import MaybeMember, SignedIn
from app.orders import errors, service
from app.orders.schemas import (
    BegunPaymentShown,
    OrderBriefShown,
    OrderPage,
    OrderShown,
    OrderWish,
    PaymentAnswer,
    PaymentWish,
    QuoteShown,
    QuoteWish,
)
from app.orders.service import (
    BasketWish,
    Doors,
    PayWish,
    PlaceWish,
    PriceChanged,
    Priced,
)
from app.payments import errors as payment_errors
from app.payments.gateway import SANDBOX, GatewayUnavailable
from app.promotions.deps import CodeGuesses
from app.promotions.errors import (
    AddOnNotOffered,
    CouponTaken,
    CouponWithGroup,
    PromotionUsedUp,
)
from app.settings import Settings

_SIGNED = (Unauthenticated, Forbidden)
_PRICING = (
    NotFound,
    VariantNotFound,
    ShopPaused,
    AddOnNotOffered,
    CouponWithGroup,
    group_errors.CampaignEnded,
    group_errors.CampaignNotStarted,
    group_errors.CampaignStopped,
    group_errors.GroupClosed,
    group_errors.GroupDidNotForm,
    group_errors.GroupFull,
    group_errors.MemberUnitsReached,
    group_errors.NewcomersOnly,
    group_errors.NotInCampaignAudience,
    group_errors.OneLineOnly,
    group_errors.TooManyUnits,
    group_errors.VariantNotInCampaign,
)

quotes = APIRouter(tags=["orders"], route_class=Reading)
router = APIRouter(tags=["orders"], route_class=Transactional)


async def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def _tokens(request: Request) -> Tokens:
    return cast("Tokens", request.app.state.tokens)


Config = Annotated[Settings, Depends(_settings)]
Sealer = Annotated[Tokens, Depends(_tokens)]


async def _doors(request: Request, outside: GoOutside, settings: Config) -> Doors:
    # Asked for late: a request without a key is refused before it has an attempt.
    attempt = partial(attempt_of, request)
    gateways = request.app.state.gateways
    offered = {name for name in gateways if name != SANDBOX or settings.takes_play_money}
    return Doors(gateways, offered, settings.gateway, attempt, outside)


World = Annotated[Doors, Depends(_doors)]


@dataclass(frozen=True, slots=True)
class _Till:
    """What seals a quote, in the reader's language."""

    settings: Settings
    tokens: Tokens
    now: datetime
    language: Language

    def quoted(self, basket: BasketWish, priced: Priced, buyer_id: UUID | None) -> QuoteShown:
        """The quote as the client gets it, held to until it expires."""
        expires_at = service.expiry(self.now, self.settings.quote_ttl_seconds)
        quote_id = service.seal(self.tokens, basket, priced, buyer_id, expires_at)
        return QuoteShown.of(priced, quote_id, expires_at, self.language)


async def _till(settings: Config, tokens: Sealer, now: Now, language: Lang) -> _Till:
    return _Till(settings, tokens, now, language)


Till = Annotated[_Till, Depends(_till)]


@quotes.post("/v1/quotes", responses=problems(Unauthenticated, *_PRICING))
async def quote(
    wish: QuoteWish, buyer: MaybeMember, db: ReadDb, till: Till, guesses: CodeGuesses
) -> QuoteShown:
    """Price a basket and explain the price; nothing is written or held.

    Anybody may ask; only a quote made for a member can be placed, by that member. Who has tried
    too many codes that do not exist gets no quote with codes for a while.
    """
    basket, buyer_id = wish.basket(), buyer.id if buyer else None
    if wish.codes:
        await guesses.check()
    priced = await service.price(
        db, basket, buyer_id, now=till.now, count_wrong_codes=guesses.count
    )
    return till.quoted(basket, priced, buyer_id)


@router.post(
    "/v1/orders",
    status_code=201,
    responses=problems(
        *_SIGNED,
        *_PRICING,
        NotAMember,
        OutOfStock,
        errors.QuoteInvalid,
        errors.QuoteExpired,
        errors.QuoteChanged,
        errors.FreeOrderNotAllowed,
        group_errors.AlreadyInGroup,
        group_errors.QuotaSoldOut,
        PromotionUsedUp,
        CouponTaken,
    ),
)
async def place(wish: OrderWish, buyer: SignedIn, db: Db, till: Till) -> OrderShown:
    """Place an order on a quote: stock, limits and, in a group, the seat are held until it expires.

    When the price has changed, the refusal carries the new quote.
    """
    placing = PlaceWish(wish.basket(), wish.quote_id, wish.goes_to())
    try:
        placed = await service.place(
            db, buyer.id, placing, settings=till.settings, tokens=till.tokens, now=till.now
        )
    except PriceChanged as changed:
        fresh = till.quoted(placing.basket, changed.priced, buyer.id)
        raise errors.QuoteChanged(
            total_amount=fresh.total_amount, quote=fresh.model_dump(mode="json")
        ) from changed
    return OrderShown.whole(placed)


@router.get("/v1/orders", responses=problems(*_SIGNED))
async def list_(buyer: SignedIn, db: ReadDb, paging: Paged) -> OrderPage:
    """The caller's orders, newest first."""
    return paging.page(await service.orders_of_member(db, buyer.id, paging), OrderBriefShown.of)


@router.get("/v1/orders/{order_id}", responses=problems(*_SIGNED, NotFound))
async def get(order_id: UUID, buyer: SignedIn, db: ReadDb) -> OrderShown:
    """One of the caller's orders with its address, payments and refunds."""
    return OrderShown.whole(await service.order_of_member(db, buyer.id, order_id))


@router.post(
    "/v1/orders/{order_id}/payments",
    status_code=201,
    responses=problems(
        *_SIGNED,
        NotFound,
        errors.OrderNotPayable,
        group_errors.NewcomersOnly,
        payment_errors.AlreadyPaid,
        payment_errors.GatewayUnknown,
        payment_errors.PaymentInProgress,
        GatewayUnavailable,
    ),
)
async def pay(
    order_id: UUID, wish: PaymentWish, buyer: SignedIn, db: Db, now: Now, world: World
) -> PaymentAnswer:
    """Pay an order, or go on with the payment under way.

    `state` says what became of it; while it is `pending`, `next_step` is what the payer's device
    needs to go on. A payment under way at another gateway is stopped there first.
    """
    paying = PayWish(wish.gateway or world.gateway, wish.token, world.attempt())
    begun = await service.pay(db, buyer.id, order_id, paying, doors=world, now=now)
    view = await service.order_of_member(db, buyer.id, order_id)
    made = next(p for p in view.payments if p["id"] == begun.payment_id)
    return PaymentAnswer(
        payment=BegunPaymentShown.model_validate({**made, "next_step": begun.next_step}),
        order=OrderShown.whole(view),
    )


@router.post(
    "/v1/orders/{order_id}/cancel",
    responses=problems(
        *_SIGNED,
        NotFound,
        errors.OrderNotCancellable,
        payment_errors.PaymentInProgress,
        group_errors.SeatNotLeavable,
        GatewayUnavailable,
    ),
)
async def cancel(order_id: UUID, buyer: SignedIn, db: Db, now: Now, world: World) -> OrderShown:
    """Give up an unpaid order, or leave a group that still gathers and get the money back."""
    await service.cancel(db, buyer.id, order_id, doors=world, now=now)
    return OrderShown.whole(await service.order_of_member(db, buyer.id, order_id))


@router.post(
    "/v1/groups/{group_id}/leave",
    responses=problems(
        *_SIGNED,
        NotFound,
        errors.OrderNotCancellable,
        payment_errors.PaymentInProgress,
        group_errors.SeatNotLeavable,
        GatewayUnavailable,
    ),
)
async def leave_group(
    group_id: UUID, buyer: SignedIn, db: Db, now: Now, world: World
) -> OrderShown:
    """Give up the caller's seat of a group that still gathers; what was paid comes back."""
    order_id = await groupbuy.order_in_group(db, group_id, buyer.id)
    await service.cancel(db, buyer.id, order_id, doors=world, now=now)
    return OrderShown.whole(await service.order_of_member(db, buyer.id, order_id))


@router.post(
    "/v1/orders/{order_id}/receive",
    responses=problems(*_SIGNED, NotFound, errors.OrderNotConfirmed, errors.WrongFulfilment),
)
async def receive(order_id: UUID, buyer: SignedIn, db: Db, now: Now) -> OrderShown:
    """Say that the goods have arrived."""
    await service.receive(db, buyer.id, order_id, now=now)
    return OrderShown.whole(await service.order_of_member(db, buyer.id, order_id))


ROUTERS = (quotes, router)
