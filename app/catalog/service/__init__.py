"""What others may ask of the catalogue; each takes the caller's session first."""

from app.catalog.service.baskets import basket, goods_of, stocked, unknown_goods
from app.catalog.service.brands import archive_brand, create_brand, edit_brand, list_brands
from app.catalog.service.categories import (
    archive_category,
    categories_of,
    create_category,
    edit_category,
)
from app.catalog.service.products import (
    create_product,
    edit_product,
    list_products,
    move_product,
    product_of_shop,
    public_product,
    variants_of_product,
)
from app.catalog.service.shops import create_shop, edit_shop, list_shops, shop, shop_terms
from app.catalog.service.stock import (
    adjust_stock,
    claim,
    give_back,
    list_adjustments,
    release,
    reserve,
    stock_of,
)
from app.catalog.service.variants import (
    archive_variant,
    create_variant,
    edit_variant,
    list_price_changes,
    variant_of_shop,
)

__all__ = [
    "adjust_stock",
    "archive_brand",
    "archive_category",
    "archive_variant",
    "basket",
    "categories_of",
    "claim",
    "create_brand",
    "create_category",
    "create_product",
    "create_shop",
    "create_variant",
    "edit_brand",
    "edit_category",
    "edit_product",
    "edit_shop",
    "edit_variant",
    "give_back",
    "goods_of",
    "list_adjustments",
    "list_brands",
    "list_price_changes",
    "list_products",
    "list_shops",
    "move_product",
    "product_of_shop",
    "public_product",
    "release",
    "reserve",
    "shop",
    "shop_terms",
    "stock_of",
    "stocked",
    "unknown_goods",
    "variant_of_shop",
    "variants_of_product",
]
