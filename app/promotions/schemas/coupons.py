"""Shapes of coupons: given out by operators, claimed and kept by members."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from app.core.http.schema import Flag, Line, Moment, Shown, Wish
from app.promotions.models import BatchStatus, CouponKind
from app.promotions.models.coupons import CODE_LENGTH_MAX
from app.promotions.rules.coupons import (
    CODES_MAX,
    MEMBER_COUPONS_MAX,
    BatchWish,
    WalletState,
    is_code,
    normalised,
)
from app.promotions.schemas.mechanics import example

COUPONS_MAX = 1_000_000_000
VALID_SECONDS_MAX = 366 * 86_400

_OF_CLAIMS = {"coupons_max", "member_max", "claims_start_at", "claims_end_at", "valid_seconds"}

_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_AT, _LATER = "2026-06-18T00:00:00Z", "2026-06-25T00:00:00Z"


def _a_code(text: str) -> str:
    code = normalised(text)
    if not is_code(code):
        raise ValueError("3 to 32 letters, digits, _ or -, the first of them no hyphen")
    return code


# Twice as long, as one typed in full width or with blanks may be.
ChosenCode = Annotated[Line, Field(max_length=2 * CODE_LENGTH_MAX), AfterValidator(_a_code)]
Count = Annotated[int, Field(strict=True, ge=1, le=COUPONS_MAX)]


class AddCouponBatch(Wish):
    """Coupons for a promotion that needs one: one shared code, single codes, or claims.

    What is said of claims goes with `claimable` only.
    """

    model_config = example(
        promotion_id=f"{_ID}1", claimable=True, coupons_max=500, valid_seconds=259_200
    )

    promotion_id: UUID
    code: ChosenCode | None = Field(
        default=None, description="One code for everybody, in any spelling; stored in capitals."
    )
    codes_count: Annotated[int, Field(strict=True, ge=1, le=CODES_MAX)] | None = Field(
        default=None, description="So many random codes, each for one order."
    )
    claimable: Flag = Field(default=False, description="Members claim them, without a code.")
    coupons_max: Count | None = Field(default=None, description="Null: as many as are claimed.")
    member_max: Annotated[int, Field(strict=True, ge=1, le=MEMBER_COUPONS_MAX)] | None = Field(
        default=1, description="How many a member may claim; null: any number."
    )
    claims_start_at: Moment | None = None
    claims_end_at: Moment | None = None
    starts_at: Moment | None = Field(default=None, description="The first moment they hold.")
    ends_at: Moment | None = Field(default=None, description="The first moment they do not.")
    valid_seconds: Annotated[int, Field(strict=True, ge=1, le=VALID_SECONDS_MAX)] | None = Field(
        default=None, description="How long each holds from its claim on, at most."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.code is not None) + (self.codes_count is not None) + self.claimable != 1:
            raise ValueError("one of code, codes_count and claimable")
        of_claims = {
            "coupons_max",
            "member_max",
            "claims_start_at",
            "claims_end_at",
            "valid_seconds",
        }
        if not self.claimable and of_claims & self.model_fields_set:
            raise ValueError(f"{', '.join(sorted(of_claims))} are for claims")
        return self

    def batch(self) -> BatchWish:
        """The wish as the service knows it."""
        said = self.model_dump(exclude={"claimable", "codes_count"})
        if self.claimable:
            return BatchWish(kind=CouponKind.CLAIMED, **said)
        kind = CouponKind.SHARED_CODE if self.code is not None else CouponKind.SINGLE_CODES
        said["member_max"] = None
        return BatchWish(kind=kind, codes_count=self.codes_count or 0, **said)


class CouponBatchShown(Shown):
    """Coupons as their operators see them; `claimed_count` have a member."""

    model_config = example(
        id=f"{_ID}2",
        shop_id=f"{_ID}3",
        promotion_id=f"{_ID}1",
        kind="claimed",
        status="active",
        coupons_max=500,
        member_max=1,
        claims_start_at=None,
        claims_end_at=_LATER,
        starts_at=_AT,
        ends_at=None,
        valid_seconds=259_200,
        claimed_count=17,
        created_at=_AT,
    )

    id: UUID
    shop_id: UUID
    promotion_id: UUID
    kind: CouponKind
    status: BatchStatus
    coupons_max: int | None
    member_max: int | None
    claims_start_at: datetime | None
    claims_end_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    valid_seconds: int | None
    claimed_count: int
    created_at: datetime


class ClaimWish(Wish):
    """A batch to claim a coupon of, or a single code of a shop to keep in the purse."""

    model_config = example(batch_id=f"{_ID}2")

    batch_id: UUID | None = None
    shop_id: UUID | None = None
    code: Annotated[Line, Field(max_length=2 * CODE_LENGTH_MAX)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.batch_id is None) == (self.code is None):
            raise ValueError("either batch_id or code")
        if (self.code is None) != (self.shop_id is None):
            raise ValueError("a code is one of a shop: shop_id goes with it")
        return self


class CouponShown(Shown):
    """A coupon in a member's purse."""

    model_config = example(
        id=f"{_ID}4",
        shop_id=f"{_ID}3",
        batch_id=f"{_ID}2",
        promotion_id=f"{_ID}1",
        state="usable",
        order_id=None,
        starts_at=_AT,
        ends_at=_LATER,
        claimed_at=_AT,
    )

    id: UUID
    shop_id: UUID
    batch_id: UUID
    promotion_id: UUID
    state: WalletState
    order_id: UUID | None = Field(description="The order it was used for.")
    starts_at: datetime | None
    ends_at: datetime | None
    claimed_at: datetime
