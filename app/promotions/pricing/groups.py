"""What can be saved apart: each component, and each type that no component has."""

from collections.abc import Sequence

from app.promotions.pricing.components import Component
from app.promotions.pricing.meet import Rows, meeting
from app.promotions.pricing.outcomes import Options, Outcome, best_outcome, single_outcomes
from app.promotions.pricing.sums import Limit
from app.promotions.pricing.taken import Found, savings_by_type
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
        self._types, self._reserves, self._options = types, reserves, options
        self.rows: list[tuple[Component, Found | None, int]] = [
            *((component, row, row.bound_saving_amount) for component, row in found),
            *(
                (Component((unit.index,), (), ()), None, reserves[unit.index] * unit.quantity)
                for unit in alone
            ),
        ]
        self.bound = sum([most for _, _, most in self.rows])
        self._ways: Rows | None = None

    def bound_within(self, limit: Limit) -> int:
        """The most that can be saved within a limit: so much inside, and all elsewhere."""
        inside = sum([most for one, _, most in self.rows if _is_inside(one, limit)])
        return self.bound - max(inside - limit.saving_amount, 0)

    def meeting(self, limits: Sequence[Limit]) -> list[Outcome] | None:
        """Outcomes that save all that one limit allows, and the most elsewhere, if easily found."""
        if len({limit.covers for limit in limits}) > 1:
            return None
        limit = min(limits, key=lambda limit: limit.saving_amount)
        inside, others = [], []
        for (component, _, _), ways in zip(self.rows, self._all_ways(), strict=True):
            if _is_inside(component, limit):
                inside.append(ways)
            else:
                others.append(ways[max(ways)])
        elsewhere = sum([self._covered(one, limit) for one in others])
        met = meeting(inside, limit.saving_amount - elsewhere) if inside else None
        return None if met is None else [*others, *met]

    def _all_ways(self) -> Rows:
        """Each component at its best, and each type by itself in all its ways."""
        if self._ways is None:
            self._ways = [
                single_outcomes(self._types[one.type_indexes[0]], self._options)
                if found is None
                else best_outcome(one, found.taken, self._types, self._options)
                for one, found, _ in self.rows
            ]
        return self._ways

    def _covered(self, outcome: Outcome, limit: Limit) -> int:
        """What an outcome at its best saves on the types covered."""
        rows = [(i, self._reserves[i] * n) for i, _, n in outcome.single]
        for one in outcome.taken:
            rows += [(i, amount) for i, _, amount in savings_by_type(one, self._types)]
        return sum([amount for i, amount in rows if limit.covers[i]])


def _is_inside(component: Component, limit: Limit) -> bool:
    return all(limit.covers[i] for i in component.type_indexes)
