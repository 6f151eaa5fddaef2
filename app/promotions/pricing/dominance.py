"""Promotions that another one makes needless: whatever they take, it could take for no less."""

from collections.abc import Sequence

from app.promotions.pricing.components import SetOffer


def without_dominated(offers: Sequence[SetOffer]) -> tuple[SetOffer, ...]:
    """The offers but for bundles of which another makes the same sets, or more, for no more."""
    kept: list[SetOffer] = []
    for offer in offers:
        if any(_dominates(other, offer) for other in kept):
            continue
        kept = [other for other in kept if not _dominates(offer, other)]
        kept.append(offer)
    return tuple(kept)


def _dominates(one: SetOffer, other: SetOffer) -> bool:
    """Whether an unlimited bundle can stand in for every set of the other."""
    mine, theirs = one.parts, other.parts
    if mine is None or theirs is None or one.saving_max_amount is not None:
        return False
    if one.modes[0].times_max is not None or not one.is_whole:
        return False
    return (
        mine.price_amount <= theirs.price_amount
        and len(mine.slots) == len(theirs.slots)
        and all(
            n == m and set(fits) >= set(others)
            for (fits, n), (others, m) in zip(mine.slots, theirs.slots, strict=True)
        )
    )
