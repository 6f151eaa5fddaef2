"""Place an order: from a quote to a promise with stock, and perhaps a seat, held behind it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.rules import Goods
from app.community import service as community
from app.core import events
from app.core.ids import new_id
from app.core.security import Tokens
from app.groupbuy import service as groupbuy
from app.groupbuy.service import SeatWish
from app.identity import service as identity
from app.identity.service import Address
from app.orders.errors import FreeOrderNotAllowed
from app.orders.events import OrderPlaced
from app.orders.models import Fulfilment, LineOrigin, OrderDispute, OrderStatus, RefundShare
from app.orders.repository import orders as repository
from app.orders.service.pricing import BasketWish, Priced, hold_to, price, unseal
from app.orders.service.read import OrderView
from app.promotions import service as promotions
from app.promotions.pricing.snapshot import snapshot_of
from app.settings import Settings

# What happens to an order later; said aloud, because the answer is made of what was written.
_NOT_YET = (
    "paid_at",
    "confirmed_at",
    "shipped_at",
    "received_at",
    "ended_at",
    "refund_due_reason",
    "carrier",
    "tracking_number",
)


@dataclass(frozen=True, slots=True)
class PlaceWish:
    """A basket, the quote it was shown with, and where it goes."""

    basket: BasketWish
    quote_id: str
    address: Address | UUID


@dataclass(frozen=True, slots=True)
class Buying:
    """Who buys what at which price, as one thing on its way through the steps."""

    order_id: UUID
    member_id: UUID
    basket: BasketWish
    priced: Priced
    settings: Settings
    now: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when an unpaid order holds what it holds, and the seat it holds."""

    expires_at: datetime
    group_id: UUID | None


async def place(
    db: AsyncSession,
    member_id: UUID,
    wish: PlaceWish,
    *,
    settings: Settings,
    tokens: Tokens,
    now: datetime,
) -> OrderView:
    """Turn a quoted basket into an order; everything is held or nothing is.

    Raises `PriceChanged`, before anything is held, where the quote no longer says the price.
    """
    promise = unseal(tokens, wish.quote_id, wish.basket, member_id, now=now)
    address = await _address(db, member_id, wish.address)
    await community.community_for_order(
        db, member_id, wish.basket.shop_id, wish.basket.community_id
    )
    priced = await price(db, wish.basket, member_id, now=now)
    hold_to(promise, priced)
    _refuse_free(priced)
    buying = Buying(new_id(), member_id, wish.basket, priced, settings, now)
    held = await _hold_seat(db, buying)
    order, lines = _order(buying, held), _lines(buying.order_id, priced)
    goes_to = {"order_id": buying.order_id, **asdict(address)}
    await repository.add(db, order, lines, goes_to)
    await catalog.reserve(db, priced.units())
    if priced.offer is not None:
        await groupbuy.take_quota(db, priced.offer, _seat_wish(buying))
    await _hold_limits(db, buying)
    await events.record(db, _placed(order, now))
    return OrderView(order, lines, goes_to, payments=(), refunds=())


async def _address(db: AsyncSession, member_id: UUID, wish: Address | UUID) -> Address:
    if isinstance(wish, Address):
        return wish
    return await identity.address_of(db, member_id, wish)


def _refuse_free(priced: Priced) -> None:
    if priced.quote.total_amount == 0 and not priced.goods.shop.allow_free_orders:
        raise FreeOrderNotAllowed


async def _hold_seat(db: AsyncSession, buying: Buying) -> Hold:
    offer = buying.priced.offer
    if offer is None:
        return Hold(buying.now + timedelta(seconds=buying.settings.order_ttl_seconds), None)
    seat = await groupbuy.take_seat(db, offer, _seat_wish(buying), now=buying.now)
    return Hold(seat.expires_at, seat.group_id)


def _seat_wish(buying: Buying) -> SeatWish:
    [line] = buying.priced.quote.lines
    return SeatWish(
        shop_id=buying.basket.shop_id,
        member_id=buying.member_id,
        order_id=buying.order_id,
        community_id=buying.basket.community_id,
        variant_id=line.variant_id,
        unit_amount=line.price_amount,
        quantity=line.quantity,
        ttl_seconds=buying.settings.group_order_ttl_seconds,
    )


async def _hold_limits(db: AsyncSession, buying: Buying) -> None:
    await promotions.reserve(
        db,
        order_id=buying.order_id,
        member_id=buying.member_id,
        uses=buying.priced.uses(),
        coupon_uses=buying.priced.coupon_uses(),
    )


def _order(buying: Buying, held: Hold) -> dict[str, Any]:
    priced, basket = buying.priced, buying.basket
    quote = priced.quote
    return {
        "id": buying.order_id,
        "shop_id": basket.shop_id,
        "member_id": buying.member_id,
        "community_id": basket.community_id,
        "group_id": held.group_id,
        "campaign_id": priced.offer.campaign_id if priced.offer else None,
        "status": OrderStatus.PLACED,
        "fulfilment": Fulfilment.NONE,
        "refund": RefundShare.NONE,
        "dispute": OrderDispute.NONE,
        "currency": quote.currency,
        "goods_amount": quote.goods_payable_amount,
        "shipping_amount": quote.shipping_amount,
        "total_amount": quote.total_amount,
        "refunded_amount": 0,
        "priced": snapshot_of(quote),
        "units": {str(v): quantity for v, quantity in priced.units().items()},
        "placed_at": buying.now,
        "expires_at": held.expires_at,
        "refund_policy": priced.goods.shop.refund_policy,
        **dict.fromkeys(_NOT_YET),
    }


def _lines(order_id: UUID, priced: Priced) -> list[dict[str, Any]]:
    runs = {row["key"]: row["unit_shares"] for row in snapshot_of(priced.quote)["lines"]}
    rows = [
        {
            **_of_goods(priced.goods_of(line.variant_id)),
            "origin": LineOrigin(line.origin),
            "promotion_id": line.add_on_id,
            "quantity": line.quantity,
            "price_amount": line.price_amount,
            "payable_amount": line.payable_amount,
            "unit_shares": runs[line.key],
        }
        for line in priced.quote.lines
    ]
    rows += [
        {
            **_of_goods(priced.goods_of(gift.variant_id)),
            "origin": LineOrigin.GIFT,
            "promotion_id": gift.promotion_id,
            "quantity": gift.quantity,
            "price_amount": 0,
            "payable_amount": 0,
            "unit_shares": [{"amount": 0, "units": gift.quantity}],
        }
        for gift in priced.quote.gifts
    ]
    none_yet = ("refunded_quantity", "refunded_amount", "unit_rebate_amount")
    always = {"order_id": order_id, **dict.fromkeys(none_yet, 0)}
    return [
        {"id": new_id(), "position": position, **always, **row} for position, row in enumerate(rows)
    ]


def _of_goods(goods: Goods) -> dict[str, Any]:
    """What a line keeps of its goods as they were; a partner brand's share is frozen with them."""
    return {
        "variant_id": goods.variant_id,
        "product_id": goods.product_id,
        "brand_id": goods.brand_id,
        "brand_share_bp": goods.brand_share_bp,
        "product_title": goods.product_title,
        "variant_title": goods.variant_title,
        "sku": goods.sku,
        "list_amount": goods.list_amount,
    }


def _placed(order: Mapping[str, Any], now: datetime) -> OrderPlaced:
    return OrderPlaced(
        at=now,
        shop_id=order["shop_id"],
        aggregate_id=order["id"],
        order_id=order["id"],
        member_id=order["member_id"],
        group_id=order["group_id"],
        total_amount=order["total_amount"],
        currency=order["currency"],
        expires_at=order["expires_at"],
    )
