"""What can be saved apart: each component, and each type that no component has."""

from collections.abc import Sequence

from app.promotions.pricing.components import Component
from app.promotions.pricing.outcomes import Options, Outcome
from app.promotions.pricing.sums import Limit
from app.promotions.pricing.taken import Found
from app.promotions.pricing.units import UnitType


class Groups:
    """`rows` has each group with what was found for it, and the most that it can save."""

    def __init__(
        self,
        found: Sequence[tuple[Component, Found]],
        types: Sequence[UnitType],
        reserves: Sequence[int],
        options: Options,
    ) -> None:
        """Add the types that no component has."""
        joined = {i for component, _ in found for i in component.type_indexes}
        alone = [unit for unit in types if unit.index not in joined]
        self.types, self.reserves, self.options = types, reserves, options
        self.rows: list[tuple[Component, Found | None, int]] = [
            *((component, row, row.bound_saving_amount) for component, row in found),
            *(
                (Component((unit.index,), (), ()), None, reserves[unit.index] * unit.quantity)
                for unit in alone
            ),
        ]
        self.bound = sum([most for _, _, most in self.rows])

    def bound_within(self, limit: Limit) -> int:
        """The most that can be saved within a limit: so much inside, and all elsewhere."""
        inside = sum([most for one, _, most in self.rows if _is_inside(one, limit)])
        return self.bound - max(inside - limit.saving_amount, 0)

    def is_settled(
        self, component: Component, found: Found | None, limits: Sequence[Limit]
    ) -> bool:
        """Whether no limit has any of its goods, so that its best, which is known, is best."""
        is_best = found is None or found.saving_amount == found.bound_saving_amount
        return is_best and not any(
            limit.covers[i] for limit in limits for i in component.type_indexes
        )

    def best_outcome(self, component: Component, found: Found | None) -> Outcome:
        """What was found, and each unit left with the best of its own discounts."""
        left = {i: self.types[i].quantity for i in component.type_indexes}
        taken = () if found is None else found.taken
        for one in taken:
            for i, n in one.units:
                left[i] -= n * one.times
        rows = [(i, self.options[i], n) for i, n in left.items()]
        return Outcome(taken, tuple((i, row[0][0], n) for i, row, n in rows if row and n))


def _is_inside(component: Component, limit: Limit) -> bool:
    return all(limit.covers[i] for i in component.type_indexes)
