"""The pure pricing core: the same basket, promotions and clock value give the same quote.

It needs nothing but the standard library; `quote` prices a basket, the other names are what it
takes and gives.
"""

from app.promotions.pricing.answer import Quote
from app.promotions.pricing.basket import Basket, BasketLine, Buyer
from app.promotions.pricing.engine import quote
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Left, Terms

__all__ = [
    "Basket",
    "BasketLine",
    "Buyer",
    "Left",
    "Promotion",
    "Quote",
    "Terms",
    "quote",
]
