"""拼团价 group_price: a campaign sets the unit price of every variant in the basket."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.promotions.pricing.ranges import check_range

LADDER_MAX = 10
GROUP_SIZE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class LadderTier:
    """From so many members on, the group price per variant."""

    size: int
    amounts: Mapping[UUID, int]


def earned_amount(
    paid_amount: int, variant_id: UUID, ladder: Iterable[LadderTier], size: int
) -> int:
    """What a unit costs in the end that was paid at this amount, in a group of so many."""
    earned = [tier.amounts.get(variant_id, paid_amount) for tier in ladder if tier.size <= size]
    return min([paid_amount, *earned])


@dataclass(frozen=True, slots=True)
class GroupPrice:
    """The campaign's price per variant; it meets no other promotion (see conflicts).

    With a `ladder` of rising sizes and falling prices everybody pays the least discounted tier at
    once; what a larger group has earned is paid back when it succeeds. A leader pays the
    `leader_amounts` of the variants named, unless a tier of the ladder goes lower.
    """

    kind: ClassVar[str] = "group_price"

    campaign_id: UUID
    campaign_version: int
    amounts: Mapping[UUID, int]
    ladder: tuple[LadderTier, ...] = ()
    leader_amounts: Mapping[UUID, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a ladder that does not rise in size and fall in price."""
        check_range("ladder", len(self.ladder), 0, LADDER_MAX)
        size, amounts = 1, dict(self.amounts)
        for tier in self.ladder:
            check_range("size", tier.size, size + 1, GROUP_SIZE_MAX)
            for variant_id, amount in tier.amounts.items():
                if amount > amounts.get(variant_id, -1):
                    raise ValueError("a larger group must not pay more, nor for other goods")
            # A tier that says nothing of a variant leaves it at what the one before earned.
            size, amounts = tier.size, {**amounts, **tier.amounts}

    @property
    def source(self) -> tuple[UUID | None, int | None]:
        """The campaign and its version, which the adjustments of the quote name."""
        return self.campaign_id, self.campaign_version

    def amount_for(self, variant_id: UUID, list_amount: int) -> int | None:
        """What a unit costs now, or None when the campaign does not sell the variant."""
        amount = self.amounts.get(variant_id)
        if amount is None or self.leader_amounts is None:
            return amount
        return min(amount, self.leader_amounts.get(variant_id, amount))

    def amount_at(self, variant_id: UUID, size: int) -> int | None:
        """What a unit costs in the end in a group of so many, by the tiers reached."""
        paid = self.amount_for(variant_id, 0)
        return None if paid is None else earned_amount(paid, variant_id, self.ladder, size)
