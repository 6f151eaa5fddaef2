"""Saving exactly what a limit allows, where that can be done without much ado.

What several promotions contend for stays at its best; of the other types, most give up nothing and
some their whole discount, and two small groups of them are tried in all their ways against one
another until the sum is met. More than the limit is never saved, so a sum that is met is the best.
"""

from collections.abc import Iterator, Mapping, Sequence

from app.promotions.pricing.outcomes import Outcome

# Ways to give up less, for each of the two groups tried against one another.
WAYS_MAX = 300
# How many types give up everything is tried from none on, so often.
BASES_MAX = 40

# What is saved by each way a component can end.
Rows = Sequence[Mapping[int, Outcome]]
_Ways = dict[int, dict[int, int]]


def meeting(rows: Rows, saving_amount: int) -> list[Outcome] | None:
    """One outcome of each row that together save exactly so much; None when none was met."""
    missing = sum([max(row) for row in rows]) - saving_amount
    if missing <= 0:
        return [row[max(row)] for row in rows] if missing == 0 else None
    # The types with most ways are for trying out, the others for giving up whole.
    ranked = sorted(range(len(rows)), key=lambda place: (-len(rows[place]), place))
    ranked = [place for place in ranked if len(rows[place]) > 1]
    one, used = _ways(rows, ranked)
    other, used_too = _ways(rows, ranked[used:])
    most = max(one) + max(other)
    for base in _bases(rows, ranked[used + used_too :]):
        rest = missing - sum(base.values())
        if 0 <= rest <= most:
            for given_up, chosen in one.items():
                if rest - given_up in other:
                    return _outcomes(rows, {**base, **chosen, **other[rest - given_up]})
    return None


def _ways(rows: Rows, places: Sequence[int]) -> tuple[_Ways, int]:
    """What the first of these can give up together, by the sum, and how many of them it took."""
    ways: _Ways = {0: {}}
    for used, place in enumerate(places):
        if len(ways) * len(rows[place]) > WAYS_MAX:
            return ways, used
        most = max(rows[place])
        for given_up, chosen in list(ways.items()):
            for saved in rows[place]:
                ways.setdefault(given_up + most - saved, {**chosen, place: most - saved})
    return ways, len(places)


def _bases(rows: Rows, places: Sequence[int]) -> Iterator[dict[int, int]]:
    """Ever more of these giving up all they can."""
    base: dict[int, int] = {}
    yield base
    for place in places[:BASES_MAX]:
        base = {**base, place: max(rows[place]) - min(rows[place])}
        yield base


def _outcomes(rows: Rows, given_up: Mapping[int, int]) -> list[Outcome]:
    return [row[max(row) - given_up.get(place, 0)] for place, row in enumerate(rows)]
