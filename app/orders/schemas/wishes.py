"""What buyers and shops ask for: baskets, orders, payments, parcels, refunds."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.catalog.rules import Wanted
from app.core.http.schema import EachOnce, Flag, Line, PositiveAmount, Quantity, Tag, Wish
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.groupbuy.service import GroupWish
from app.identity.service import Address
from app.orders.service.pricing import BasketWish
from app.promotions.models.coupons import CODE_LENGTH_MAX
from app.promotions.pricing.basket import ADD_ONS_MAX, COUPONS_MAX
from app.promotions.rules.baskets import AddOnWish
from app.promotions.service import CouponWish

_ID = "0192f0c1-a5e8-7000-a000-000000000001"
_LINE = {"variant_id": _ID, "quantity": 1}
_BASKET = {"shop_id": _ID, "lines": [_LINE], "group": {"open": _ID}}
_WITH_COUPON = {"shop_id": _ID, "lines": [_LINE], "codes": ["BAYBERRY26"], "channel": "web"}
_ADD_ON = {"promotion_id": _ID, "variant_id": _ID, "quantity": 1}
_ADDRESS = {
    "recipient": "林小禾",
    "phone": "+8613800000000",
    "province": "浙江省",
    "city": "台州市",
    "district": "仙居县",
    "street": "福应街道",
    "detail": "环城南路 1 号",
}


def _example(*examples: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(e) for e in examples]})


class LineWish(Wish):
    """Units of one variant."""

    model_config = _example(_LINE)

    variant_id: UUID
    quantity: Quantity


class GroupChoice(Wish):
    """Open a group of a campaign, or join a group that is open."""

    model_config = _example({"open": _ID}, {"join": _ID})

    open: UUID | None = Field(default=None, description="The campaign to open a group of.")
    join: UUID | None = Field(default=None, description="The group to join.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.open is None) == (self.join is None):
            raise ValueError("either open or join")
        return self


class AddOnChoiceWish(Wish):
    """Units chosen from an add-on offer, which says what they cost."""

    model_config = _example(_ADD_ON)

    promotion_id: UUID
    variant_id: UUID
    quantity: Quantity


CODES_MAX = 5
# As typed: any spelling of a code is its code.
TypedCode = Annotated[Line, Field(max_length=2 * CODE_LENGTH_MAX)]


class QuoteWish(Wish):
    """A basket to price: alone, or as a group order with exactly one line."""

    model_config = _example(_BASKET, _WITH_COUPON)

    shop_id: UUID
    lines: Annotated[list[LineWish], Field(min_length=1, max_length=LINES_MAX)]
    group: GroupChoice | None = None
    community_id: UUID | None = Field(default=None, description="The community it is bought in.")
    codes: Annotated[list[TypedCode], Field(max_length=CODES_MAX), EachOnce] = Field(
        default_factory=list, description="Coupon codes as they were typed."
    )
    coupon_ids: Annotated[list[UUID], Field(max_length=COUPONS_MAX), EachOnce] = Field(
        default_factory=list, description="The buyer's own coupons."
    )
    channel: Tag | None = Field(default=None, description="Where it is sold, as promotions ask.")
    add_ons: Annotated[list[AddOnChoiceWish], Field(max_length=ADD_ONS_MAX)] = Field(
        default_factory=list, description="Units chosen from add-on offers."
    )

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        units = Counter[UUID]()
        for line in self.lines:
            units[line.variant_id] += line.quantity
        for choice in self.add_ons:
            units[choice.variant_id] += choice.quantity
        if max(units.values()) > QUANTITY_MAX:
            raise ValueError(f"more than {QUANTITY_MAX} units of one variant")
        if len(self.lines) + len(self.add_ons) > LINES_MAX:
            raise ValueError(f"more than {LINES_MAX} lines and add-ons")
        if len(self.codes) + len(self.coupon_ids) > COUPONS_MAX:
            raise ValueError(f"more than {COUPONS_MAX} codes and coupons")
        return self

    @model_validator(mode="after")
    def _chosen_once(self) -> Self:
        chosen = {(choice.promotion_id, choice.variant_id) for choice in self.add_ons}
        if len(chosen) < len(self.add_ons):
            raise ValueError("an add-on is chosen twice")
        return self

    def basket(self) -> BasketWish:
        """The wish as the service knows it."""
        choice = self.group
        group = GroupWish(campaign_id=choice.open, group_id=choice.join) if choice else None
        return BasketWish(
            shop_id=self.shop_id,
            lines=tuple(Wanted(line.variant_id, line.quantity) for line in self.lines),
            group=group,
            community_id=self.community_id,
            coupons=CouponWish(tuple(self.codes), tuple(self.coupon_ids)),
            channel=self.channel,
            add_ons=tuple(AddOnWish(**choice.model_dump()) for choice in self.add_ons),
        )


_Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{4,22}$")]
_Detail = Annotated[Line, Field(max_length=400)]


class DeliveryAddressWish(Wish):
    """Where the parcel goes, in China's four levels and a free line."""

    model_config = _example(_ADDRESS)

    recipient: Line
    phone: _Phone
    province: Line
    city: Line
    district: Line
    street: Line
    detail: _Detail
    postal_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z -]{3,12}$")] | None = None


class OrderWish(QuoteWish):
    """The quoted basket again, the quote it was shown with, and one address."""

    model_config = _example({**_BASKET, "quote_id": "c2VhbGVk", "address": _ADDRESS})

    quote_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,1000}$")]
    address_id: UUID | None = Field(default=None, description="One of the buyer's own addresses.")
    address: DeliveryAddressWish | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.address_id is None) == (self.address is None):
            raise ValueError("either address_id or address")
        return self

    def goes_to(self) -> Address | UUID:
        """The address itself, or the id of one of the buyer's."""
        if self.address is not None:
            return Address(**self.address.model_dump())
        assert self.address_id is not None
        return self.address_id


class PaymentWish(Wish):
    """How to pay; the sandbox wants one of its tokens: `sandbox_success`, `_decline`, `_delay`,
    `_duplicate`."""

    model_config = _example({"token": "sandbox_success"}, {"gateway": "stripe"})

    gateway: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,24}$")] | None = Field(
        default=None, description="The payment provider; the installation's own choice if not told."
    )
    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")] | None = Field(
        default=None, description="For the sandbox only, which is told by it what to do."
    )


class ShipWish(Wish):
    """Who carries the parcel, under which number."""

    model_config = _example({"carrier": "SF Express", "tracking_number": "SF1234567890"})

    carrier: Annotated[Line, Field(max_length=60)]
    tracking_number: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{4,60}$")]


class RefundLineWish(Wish):
    """Units of one order line to take back."""

    model_config = _example({"line_id": _ID, "quantity": 1})

    line_id: UUID
    quantity: Quantity


class RefundRequest(Wish):
    """Units by line at their frozen shares, or an amount, or (neither) all that is left."""

    model_config = _example(
        {"lines": [{"line_id": _ID, "quantity": 1}], "reason": "damaged", "reference": "R-1001"},
        {"amount": 500, "reason": "goodwill", "reference": "R-1002"},
        {"reason": "cancelled_by_shop", "reference": "R-1003"},
    )

    lines: Annotated[list[RefundLineWish], Field(min_length=1, max_length=LINES_MAX)] | None = None
    amount: PositiveAmount | None = None
    reason: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
    reference: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,80}$")]
    restock: Flag = True

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.lines is not None and self.amount is not None:
            raise ValueError("either lines or amount")
        if self.lines and len({line.line_id for line in self.lines}) < len(self.lines):
            raise ValueError("a line is named twice")
        return self
