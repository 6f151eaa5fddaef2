"""The catalogue as everybody sees it: shops, categories and what is on sale."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from app.catalog import service
from app.catalog.models import ProductStatus
from app.catalog.rules import SHOWN_QUANTITY_MAX, ProductCard, ProductFilter, VariantCard
from app.catalog.schemas import (
    CategoryList,
    CategoryShown,
    ProductListed,
    ProductQuery,
    ProductShown,
    ShopShown,
    VariantShown,
)
from app.core.db import ReadDb
from app.core.errors import InvalidCursor, NotFound
from app.core.http.paging import Page, Paged
from app.core.http.problem import problems
from app.core.http.route import Reading

router = APIRouter(prefix="/v1", tags=["catalog"], route_class=Reading)


@router.get("/shops/{shop_id}/products", responses=problems(NotFound, InvalidCursor))
async def list_products(
    shop_id: UUID, query: Annotated[ProductQuery, Query()], paging: Paged, db: ReadDb
) -> Page[ProductListed]:
    """List what a shop has on sale."""
    wanted = ProductFilter(
        category_id=query.category_id,
        tag=query.tag,
        kind=query.kind,
        price_from_amount=query.price_from_amount,
        price_to_amount=query.price_to_amount,
        in_stock=query.in_stock,
        title_contains=query.q,
        status=ProductStatus.ON_SALE,
        priced=True,
    )
    found = await service.list_products(db, shop_id, wanted, query.sort, paging)
    return paging.page(found, _listed)


@router.get("/products/{product_id}", responses=problems(NotFound))
async def get_product(product_id: UUID, db: ReadDb) -> ProductShown:
    """Show a product on sale with its variants."""
    card = await service.public_product(db, product_id)
    variants = await service.variants_of_product(db, product_id)
    return ProductShown(
        **_fields(card),
        description=card.description,
        variants=[_variant(variant) for variant in variants],
    )


@router.get("/shops/{shop_id}", responses=problems(NotFound))
async def get_shop(shop_id: UUID, db: ReadDb) -> ShopShown:
    """Show a shop."""
    return ShopShown.model_validate(await service.shop(db, shop_id))


@router.get("/shops/{shop_id}/categories", responses=problems(NotFound))
async def list_categories(shop_id: UUID, db: ReadDb) -> CategoryList:
    """List a shop's categories; `parent_id` makes the tree of them."""
    found = await service.categories_of(db, shop_id)
    return CategoryList(items=[CategoryShown.model_validate(c) for c in found])


def _listed(card: ProductCard) -> ProductListed:
    return ProductListed(**_fields(card))


def _fields(card: ProductCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "shop_id": card.shop_id,
        "category_id": card.category_id,
        "title": card.title,
        "kind": card.kind,
        "is_private": card.is_private,
        "tags": list(card.tags),
        "lowest_amount": card.lowest_amount,
        "currency": card.currency,
        "in_stock": card.in_stock,
        "created_at": card.created_at,
    }


def _variant(variant: VariantCard) -> VariantShown:
    return VariantShown(
        id=variant.id,
        sku=variant.sku,
        title=variant.title,
        list_amount=variant.list_amount,
        solo_amount=variant.solo_amount,
        is_available=variant.available > 0,
        available_quantity=min(variant.available, SHOWN_QUANTITY_MAX),
    )
