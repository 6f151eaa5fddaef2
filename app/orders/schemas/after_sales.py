"""Shapes of what comes after the sale: requests, previews of refunds, and approvals."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.catalog.models import RefundPolicy
from app.core.http.paging import Page
from app.core.http.schema import Flag, PositiveAmount, Shown, Text, Wish
from app.core.money import LINES_MAX
from app.orders.models import AfterSalesKind, AfterSalesReason, AfterSalesState, ApprovalState
from app.orders.schemas.shown import RefundShown
from app.orders.schemas.wishes import RefundLineWish
from app.orders.service import AfterSalesView, AfterSalesWish, Decision, Plan, RefundWish

_AT = "2026-06-18T04:00:00Z"
_ID = "0192f0c1-a5e8-7000-a000-00000000000"
_LINES = [{"line_id": f"{_ID}9", "quantity": 1}]
_NOTE = Annotated[Text, StringConstraints(max_length=500)]
_Lines = Annotated[list[RefundLineWish], Field(min_length=1, max_length=LINES_MAX)]


def _example(*values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(values)})


class RefundPreviewWish(Wish):
    """Units by line and shipping; none of them for all that is left."""

    model_config = _example({"lines": _LINES})

    lines: _Lines | None = None
    shipping_amount: PositiveAmount | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.lines and len({line.line_id for line in self.lines}) < len(self.lines):
            raise ValueError("a line is named twice")
        return self

    @property
    def units(self) -> dict[UUID, int] | None:
        """Units by line, as the service knows them."""
        return {ln.line_id: ln.quantity for ln in self.lines} if self.lines else None

    def wanted(self) -> RefundWish:
        """The wish as the service knows it."""
        return RefundWish(units=self.units, shipping_amount=self.shipping_amount)


class AfterSalesRequest(RefundPreviewWish):
    """Units by line and shipping, or (neither) all that is left, and why.

    `expected_amount` is what the preview said.
    """

    model_config = _example(
        {
            "kind": "refund_only",
            "reason": "damaged",
            "note": "两盒压坏了",
            "lines": _LINES,
            "expected_amount": 9_900,
        }
    )

    kind: AfterSalesKind
    reason: AfterSalesReason
    note: _NOTE = ""
    expected_amount: PositiveAmount | None = None

    def asked(self) -> AfterSalesWish:
        """The wish as the service knows it."""
        return AfterSalesWish(
            kind=self.kind,
            reason=self.reason,
            note=self.note,
            units=self.units,
            shipping_amount=self.shipping_amount,
            expected_amount=self.expected_amount,
        )


class AfterSalesGrant(Wish):
    """A yes; `expected_amount` where the refund comes to another amount than was asked for."""

    model_config = _example({"note": "照办"})

    note: _NOTE = ""
    restock: Flag = True
    expected_amount: PositiveAmount | None = None


class DecisionNote(Wish):
    """What the other side is told about the decision."""

    model_config = _example({"note": "请寄回商品"})

    note: _NOTE = ""


class DecisionReason(Wish):
    """A no says why."""

    model_config = _example({"note": "超出质保范围"})

    note: Annotated[_NOTE, StringConstraints(min_length=1)]


class AfterSalesLineShown(Shown):
    """Units of an order line."""

    line_id: UUID
    quantity: int


_ASKED: dict[str, Any] = {
    "id": f"{_ID}c",
    "order_id": f"{_ID}7",
    "member_id": f"{_ID}6",
    "kind": "refund_only",
    "reason": "damaged",
    "note": "两盒压坏了",
    "lines": _LINES,
    "shipping_amount": 0,
    "amount": 9_900,
    "currency": "CNY",
    "state": "requested",
    "requested_at": _AT,
    "decided_at": None,
    "decision_note": None,
    "refund_id": None,
}


class AfterSalesShown(Shown):
    """A request; `amount` is what it was asked at, and once approved what is paid back."""

    model_config = _example(_ASKED)

    id: UUID
    order_id: UUID
    member_id: UUID
    kind: AfterSalesKind
    reason: AfterSalesReason
    note: str
    lines: list[AfterSalesLineShown]
    shipping_amount: int
    amount: int
    currency: str
    state: AfterSalesState
    requested_at: datetime
    decided_at: datetime | None
    decision_note: str | None
    refund_id: UUID | None

    @classmethod
    def of(cls, view: AfterSalesView) -> Self:
        """A request as both sides see it."""
        lines = [AfterSalesLineShown.model_validate(dict(line)) for line in view.lines]
        return cls.model_validate({**view.row, "lines": lines})


class RefundPartShown(Shown):
    """What a line pays back: its units' frozen shares less what is withheld of them."""

    line_id: UUID
    quantity: int
    share_amount: int
    withheld_amount: int
    amount: int


class LostPromotionShown(Shown):
    """A promotion that gives the kept goods nothing any more, and what it gave the order."""

    promotion_id: UUID
    kind: str
    amount: int


class RefundPreviewShown(Shown):
    """What a refund would come to now, line by line, and why.

    `why` names the rule: `frozen_shares`, `repriced`, `everything_left`; `group_order` and
    `not_priceable` say why an order under `reprice` pays the frozen shares all the same.
    """

    model_config = _example(
        {
            "policy": "reprice",
            "why": "repriced",
            "currency": "CNY",
            "lines": [
                {**_LINES[0], "share_amount": 9_000, "withheld_amount": 1_000, "amount": 8_000}
            ],
            "share_amount": 9_000,
            "withheld_amount": 1_000,
            "shipping_amount": 0,
            "amount": 8_000,
            "decided_amount": 0,
            "lost_promotions": [
                {"promotion_id": f"{_ID}b", "kind": "spend_threshold", "amount": 2_000}
            ],
        }
    )

    policy: RefundPolicy
    why: Literal[
        "frozen_shares",
        "repriced",
        "everything_left",
        "amount_asked_for",
        "group_order",
        "not_priceable",
    ]
    currency: str
    lines: list[RefundPartShown]
    share_amount: int = Field(description="What the units' frozen shares come to.")
    withheld_amount: int = Field(
        description="What the kept goods cost more without them; below zero it is given back."
    )
    shipping_amount: int
    amount: int = Field(description="Send it as `expected_amount`.")
    decided_amount: int = Field(
        description="All refunds decided before; send it as `expected_refunded_amount`."
    )
    lost_promotions: list[LostPromotionShown]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """A refund before it is decided."""
        lines = [
            RefundPartShown(
                line_id=part.line_id,
                quantity=part.quantity,
                share_amount=part.amount + part.withheld_amount,
                withheld_amount=part.withheld_amount,
                amount=part.amount,
            )
            for part in plan.parts
            if part.line_id is not None
        ]
        return cls(
            policy=plan.policy,
            why=plan.why.value,
            currency=plan.currency,
            lines=lines,
            share_amount=plan.share_amount,
            withheld_amount=plan.withheld_amount,
            shipping_amount=plan.shipping_amount,
            amount=plan.amount,
            decided_amount=plan.decided_amount,
            lost_promotions=[LostPromotionShown.model_validate(one) for one in plan.lost],
        )


class RefundApprovalShown(Shown):
    """A refund above the shop's limit; nothing is owed until a second operator approves."""

    model_config = _example(
        {
            "id": f"{_ID}d",
            "order_id": f"{_ID}7",
            "after_sales_id": None,
            "amount": 99_000,
            "currency": "CNY",
            "state": "awaiting",
            "requested_by": f"{_ID}e",
            "requested_by_kind": "operator",
            "requested_at": _AT,
            "decided_by": None,
            "decided_at": None,
            "decision_note": None,
            "refund_id": None,
        }
    )

    id: UUID
    order_id: UUID
    after_sales_id: UUID | None
    amount: int
    currency: str
    state: ApprovalState
    requested_by: UUID | None
    requested_by_kind: str
    requested_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    decision_note: str | None
    refund_id: UUID | None


class RefundDecisionShown(Shown):
    """A refund that is owed, or one that awaits a second operator and has no id yet."""

    model_config = _example(
        {
            "id": f"{_ID}a",
            "approval_id": None,
            "amount": 9_900,
            "currency": "CNY",
            "reason": "damaged",
            "reference": "R-1001",
            "state": "pending",
            "created_at": _AT,
            "done_at": None,
        }
    )

    id: UUID | None
    approval_id: UUID | None
    amount: int
    currency: str
    reason: str
    reference: str
    state: Literal["awaiting_approval", "pending", "succeeded", "failed"]
    created_at: datetime
    done_at: datetime | None

    @classmethod
    def of(cls, made: Decision) -> Self:
        """What became of the wish."""
        if made.refund is not None:
            told = RefundShown.model_validate(dict(made.refund)).model_dump()
            return cls(**told, approval_id=None)
        row: Mapping[Any, Any] = made.approval or {}
        wish = row["wish"]
        return cls(
            id=None,
            approval_id=row["id"],
            amount=row["amount"],
            currency=row["currency"],
            reason=wish["reason"],
            reference=wish["reference"],
            state="awaiting_approval",
            created_at=row["requested_at"],
            done_at=None,
        )


AfterSalesPage = Page[AfterSalesShown]
RefundApprovalPage = Page[RefundApprovalShown]
