"""What a basket saves on each side of a boundary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from app.promotions.pricing.answer import Quote


@dataclass(frozen=True)
class Edge:
    """What is saved on each side of a boundary; `price` prices a basket at a place near it."""

    says: str
    price: Callable[[Any], Quote]
    saves: Mapping[Any, int]


def rows(edges: Sequence[Edge]) -> list[Any]:
    """One test for each place: how it is priced, where, and what it saves."""
    return [
        pytest.param(edge.price, place, saving, id=f"{edge.says}: {place}")
        for edge in edges
        for place, saving in edge.saves.items()
    ]
