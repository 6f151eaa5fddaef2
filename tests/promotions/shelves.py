"""Goods on a shelf and promotions among them, without a database."""

from typing import Any
from uuid import UUID

from app.catalog.models import ProductKind
from app.catalog.rules import Goods, Stocked
from app.promotions.rules.shelf import Shelf
from app.promotions.rules.warnings import Scene

CREAM, TISSUES, CUP = (UUID(int=n) for n in (1, 2, 3))
ALL: dict[str, Any] = {}


def goods(variant_id: UUID = CREAM, *, is_on_sale: bool = True, **more: Any) -> Stocked:
    values: dict[str, Any] = {
        "product_id": UUID(int=variant_id.int + 100),
        "product_title": "霜",
        "variant_title": "50ml",
        "sku": "S",
        "kind": ProductKind.GOODS,
        "is_private": False,
        "category_ids": frozenset(),
        "tags": frozenset({"care"}),
        "list_amount": 1_000,
        "solo_amount": None,
        "cost_amount": 800,
        "floor_amount": 0,
        "available": 5,
        "quantity": 1,
        **more,
    }
    return Stocked(Goods(variant_id=variant_id, **values), is_on_sale)


def scene(rule: dict[str, Any], *stocked: Stocked, **more: Any) -> Scene:
    values: dict[str, Any] = {"match": ALL, "given": Shelf([]), "shipping_amount": 800, **more}
    return Scene(rule, shelf=Shelf(stocked), **values)
