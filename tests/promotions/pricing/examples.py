"""The shape of a worked example, and what must hold of each."""

from dataclasses import dataclass, field
from typing import Any

from app.promotions.pricing.basket import BasketLine, ListPrice, PriceSetting
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Terms
from tests.promotions.pricing.builders import NOW, basket, pays, reasons, taken_off


@dataclass(frozen=True, kw_only=True)
class Example:
    """Goods under promotions; `pay` is what each unit pays line by line, add-ons last."""

    says: str
    goods: tuple[BasketLine, ...]
    by: tuple[Promotion, ...] = ()
    setting: PriceSetting = field(default_factory=ListPrice)
    brings: dict[str, Any] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    off: dict[int | str, int] = field(default_factory=dict)
    pay: tuple[tuple[int, ...], ...]
    shipping: int = 0
    # The bound of a threshold that is just missed further on may be out of reach.
    is_proven: bool = True

    def check(self) -> None:
        """Every unit, every promotion and the total to the fen."""
        goods = basket(*self.goods, price_setting=self.setting, **self.brings)
        answer = quote(goods, self.by, now=NOW, terms=self.terms)
        assert pays(answer) == list(self.pay)
        assert taken_off(answer) == self.off
        assert answer.shipping_amount == self.shipping
        assert answer.total_amount == sum(map(sum, self.pay)) + self.shipping
        assert answer.bound_amount <= answer.total_amount
        assert answer.optimality == "proven" or not self.is_proven
        assert set(self.off).isdisjoint(reasons(answer)), "what is applied needs no excuse"
