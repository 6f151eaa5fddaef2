"""加1元换购 add_on: a qualifying basket unlocks chosen goods at a token price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.core.money import PRICE_AMOUNT_MAX, QUANTITY_MAX
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.ranges import check_range

TIERS_MAX = 10
VARIANTS_MAX = 50
# Of very many choices that a budget cannot all pay for, not every selection is looked at.
LOOKS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOnTier:
    """From `threshold_amount` on, `units_max` units an order of the variants cost `price_amount`.

    `quota_units` bounds what all buyers together may take of the tier; what is left of it comes
    with the occasion.
    """

    price_amount: int
    variant_ids: frozenset[UUID]
    threshold_amount: int = 0
    units_max: int = 1
    quota_units: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn(Promotion):
    """`match` says which goods qualify: their subtotal after the coupon meets a tier's threshold.

    At most `units_max` units an order over all tiers. Chosen units never qualify themselves.
    """

    kind: ClassVar[str] = "add_on"
    is_later: ClassVar[bool] = True

    tiers: tuple[AddOnTier, ...]
    units_max: int | None = None

    def __post_init__(self) -> None:
        """Refuse tiers that do not rise, offer nothing, or lie out of bounds."""
        Promotion.__post_init__(self)
        check_range("tiers", len(self.tiers), 1, TIERS_MAX)
        if self.units_max is not None:
            check_range("units_max", self.units_max, 1, QUANTITY_MAX)
        for tier in self.tiers:
            check_range("threshold_amount", tier.threshold_amount, 0, PRICE_AMOUNT_MAX)
            check_range("price_amount", tier.price_amount, 0, PRICE_AMOUNT_MAX)
            check_range("variant_ids", len(tier.variant_ids), 1, VARIANTS_MAX)
            check_range("units_max", tier.units_max, 1, QUANTITY_MAX)
            if tier.quota_units is not None:
                check_range("quota_units", tier.quota_units, 1, PRICE_AMOUNT_MAX)
        for low, high in zip(self.tiers, self.tiers[1:], strict=False):
            if low.threshold_amount >= high.threshold_amount:
                raise ValueError("thresholds must rise")
        if len(self.variant_ids) < sum(len(tier.variant_ids) for tier in self.tiers):
            raise ValueError("a variant belongs to one tier")

    @property
    def variant_ids(self) -> frozenset[UUID]:
        """All that it offers."""
        return frozenset().union(*(tier.variant_ids for tier in self.tiers))


@dataclass(frozen=True, slots=True)
class Bargain:
    """Units of a chosen variant at a tier's price, and what each of them saves."""

    variant_id: UUID
    tier: int
    units: int
    price_amount: int
    saving_amount: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Units of a variant that the buyer chose, at their own price and with room above the floor."""

    units: int
    price_amount: int
    room_amount: int


def bargains(
    rule: AddOn,
    chosen: Mapping[UUID, Chosen],
    subtotal_amount: int,
    tier_units_left: Sequence[int | None] = (),
) -> list[Bargain]:
    """The chosen units, by variant, that a subtotal gives a token price.

    The largest savings are served first, within what each tier, its quota and the order allow;
    as a variant belongs to one tier, nothing saves more.
    """
    room = _room(rule, tier_units_left)
    whole = rule.units_max if rule.units_max is not None else QUANTITY_MAX
    wanted = {variant_id: row.units for variant_id, row in chosen.items()}
    found: list[Bargain] = []
    for saving, variant_id, tier in _offers(rule, chosen, subtotal_amount):
        units = min(wanted[variant_id], room[tier], whole)
        if units > 0:
            price = chosen[variant_id].price_amount - saving
            found.append(Bargain(variant_id, tier, units, price, saving))
            wanted[variant_id] -= units
            room[tier] -= units
            whole -= units
    return found


class WithinBudget:
    """The chosen units that save most within a budget; `most` is what no units can save more than.

    The largest savings are tried first, and all of them together were too many.
    """

    def __init__(
        self,
        rule: AddOn,
        chosen: Mapping[UUID, Chosen],
        subtotal_amount: int,
        tier_units_left: Sequence[int | None],
        budget_amount: int,
    ) -> None:
        """Look for the best."""
        self._chosen = chosen
        self._rows = _offers(rule, chosen, subtotal_amount)
        self._best: tuple[int, tuple[int, ...]] = (0, ())
        self._looks = LOOKS_MAX
        whole = rule.units_max if rule.units_max is not None else QUANTITY_MAX
        self._look((), _room(rule, tier_units_left), whole, budget_amount, 0)
        self.most = self._best[0] if self._looks > 0 else budget_amount

    def bargains(self) -> list[Bargain]:
        """Those units."""
        rows = zip(self._rows, self._best[1], strict=False)
        return [
            Bargain(id_, tier, units, self._chosen[id_].price_amount - saving, saving)
            for (saving, id_, tier), units in rows
            if units
        ]

    def _look(
        self, picked: tuple[int, ...], room: list[int], whole: int, budget: int, saved: int
    ) -> None:
        if saved > self._best[0]:
            self._best = (saved, picked)
        place = len(picked)
        if place == len(self._rows) or saved + self._rest(place, whole, budget) <= self._best[0]:
            return
        saving, variant_id, tier = self._rows[place]
        most = min(self._chosen[variant_id].units, room[tier], whole, budget // saving)
        for units in range(most, -1, -1):
            self._looks -= 1
            if self._looks <= 0:
                return
            left = [n - units if at == tier else n for at, n in enumerate(room)]
            off = units * saving
            self._look((*picked, units), left, whole - units, budget - off, saved + off)

    def _rest(self, place: int, whole: int, budget: int) -> int:
        """The most that the rows from here on could save, whatever the tiers allow."""
        saved = 0
        for saving, variant_id, _ in self._rows[place:]:
            units = min(self._chosen[variant_id].units, whole)
            saved, whole = saved + units * saving, whole - units
        return min(saved, budget)


def _room(rule: AddOn, tier_units_left: Sequence[int | None]) -> list[int]:
    room = [tier.units_max for tier in rule.tiers]
    for place, left in enumerate(tier_units_left[: len(room)]):
        if left is not None:
            room[place] = min(room[place], max(left, 0))
    return room


def _offers(
    rule: AddOn, chosen: Mapping[UUID, Chosen], subtotal_amount: int
) -> list[tuple[int, UUID, int]]:
    offers = [
        (min(row.price_amount - tier.price_amount, row.room_amount), variant_id, place)
        for place, tier in enumerate(rule.tiers)
        if tier.threshold_amount <= subtotal_amount
        for variant_id, row in chosen.items()
        if variant_id in tier.variant_ids
    ]
    found = [offer for offer in offers if offer[0] > 0]
    return sorted(found, key=lambda offer: (-offer[0], offer[1].int, offer[2]))
