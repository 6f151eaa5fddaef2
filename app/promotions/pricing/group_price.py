"""拼团价 group_price: a campaign sets the unit price of every variant in the basket."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class GroupPrice:
    """The campaign's price per variant; it meets no other promotion (see conflicts)."""

    kind: ClassVar[str] = "group_price"

    campaign_id: UUID
    campaign_version: int
    amounts: Mapping[UUID, int]

    @property
    def source(self) -> tuple[UUID | None, int | None]:
        """The campaign and its version, which the adjustments of the quote name."""
        return self.campaign_id, self.campaign_version

    def amount_for(self, variant_id: UUID, list_amount: int) -> int | None:
        """The group price of one unit, or None when the campaign does not sell the variant."""
        return self.amounts.get(variant_id)
