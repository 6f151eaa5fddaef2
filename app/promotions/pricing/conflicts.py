"""Which promotions may meet on one basket, as data: what no row denies is allowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.promotions.pricing.promotion import Promotion

COUPON = "coupon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a row: promotions of a kind, of a stacking group, or of both; or any at all.

    The kind `coupon` means everything behind a coupon, whatever its mechanic.
    """

    kind: str | None = None
    stacking_group: str | None = None

    def includes(self, kinds: Sequence[str], stacking_group: str | None) -> bool:
        """Whether a promotion that goes by these names is meant."""
        return (self.kind is None or self.kind in kinds) and (
            self.stacking_group is None or self.stacking_group == stacking_group
        )

    def has(self, promotion: Promotion) -> bool:
        """Whether the promotion is one of these."""
        kinds = (promotion.kind, COUPON) if promotion.needs_coupon else (promotion.kind,)
        return self.includes(kinds, promotion.stacking_group)


ANYTHING = Party()


@dataclass(frozen=True, slots=True)
class Denial:
    """Two promotions, one of each party, never meet on one basket."""

    one: Party
    other: Party

    def concerns(self, promotion: Promotion) -> bool:
        """Whether the promotion is of one of the parties."""
        return self.one.has(promotion) or self.other.has(promotion)


DENIALS: tuple[Denial, ...] = (
    Denial(Party(kind="group_price"), ANYTHING),
    # One coupon an order.
    Denial(Party(kind=COUPON), Party(kind=COUPON)),
)


def kept_away_by(price_setting_kind: str, denials: Iterable[Denial]) -> tuple[Party, ...]:
    """Who may not meet the basket's price-setting; a row has to name its kind to mean it."""
    rows = [(row.one, row.other) for row in denials] + [(row.other, row.one) for row in denials]
    return tuple(other for one, other in rows if one == Party(kind=price_setting_kind))


def denied(one: Promotion, other: Promotion, denials: Iterable[Denial]) -> bool:
    """Whether two promotions may not meet, in either order."""
    if one.exclusive or other.exclusive:
        return True
    return any(
        (row.one.has(one) and row.other.has(other)) or (row.one.has(other) and row.other.has(one))
        for row in denials
    )
