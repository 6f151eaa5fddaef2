"""The state that the parts of one component's search share: units left, and the best so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.promotions.pricing.components import Component
from app.promotions.pricing.taken import Steps, Taken
from app.promotions.pricing.units import UnitType


@dataclass(slots=True)
class Board:
    """Units left by type, what the best found saves with the reserve of the rest, open bounds.

    `looks` is what one node costs, in looks at a choice or a type.
    """

    component: Component
    types: Sequence[UnitType]
    reserves: Sequence[int]
    steps: Steps
    looks: int = 1
    best: int = -1
    taken: tuple[Taken, ...] = ()
    open_bound: int = 0
    left: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with every unit there is."""
        self.left = {i: self.types[i].quantity for i in self.component.type_indexes}

    def reserve(self) -> int:
        """What the units left save by themselves."""
        return sum(self.reserves[i] * n for i, n in self.left.items())

    def give_up(self, bound: int) -> None:
        """Remember the most that could have been found where nobody will look."""
        self.open_bound = max(self.open_bound, bound)

    def offer(self, value: int, taken: Callable[[], tuple[Taken, ...]]) -> None:
        """Keep what saves more than the best so far."""
        if value > self.best:
            self.best = value
            self.taken = taken()
