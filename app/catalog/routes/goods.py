"""Products, variants and their stock as the operators of a shop keep them."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import errors, service
from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.catalog.models import ProductStatus, Stock, Variant
from app.catalog.rules import NewProduct, NewVariant, ProductCard, ProductFilter, ProductSort
from app.catalog.schemas import (
    AddProduct,
    AddVariant,
    AdjustmentShown,
    AdjustStock,
    EditProduct,
    EditVariant,
    OperatorProductListed,
    OperatorProductQuery,
    OperatorProductShown,
    OperatorVariantShown,
    PriceShown,
    StockShown,
)
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.core.http.versions import IfMatch, etag
from app.identity.rules import Right

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}", tags=["catalog"], route_class=Transactional
)

_READ = needs(Right.CATALOG_READ)
_WRITE = needs(Right.CATALOG_WRITE)
_PRODUCT = "/products/{product_id}"
_VARIANT = "/variants/{variant_id}"


@router.post(
    "/products",
    status_code=201,
    dependencies=_WRITE,
    responses=refusals(errors.CategoryNotFound, errors.BrandNotFound),
)
async def create_product(
    shop_id: UUID, wish: AddProduct, response: Response, db: Db, now: Now
) -> OperatorProductShown:
    """Draft a product."""
    made = await service.create_product(db, shop_id, NewProduct(**wish.model_dump()), now=now)
    return await _product(made, response, db)


@router.get("/products", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_own_products(
    shop_id: UUID, query: Annotated[OperatorProductQuery, Query()], paging: Paged, db: ReadDb
) -> Page[OperatorProductListed]:
    """List a shop's products in every status, the newest first."""
    wanted = ProductFilter(
        category_id=query.category_id, title_contains=query.q, status=query.status
    )
    found = await service.list_products(db, shop_id, wanted, ProductSort.NEWEST, paging)
    return paging.page(found, OperatorProductListed.model_validate)


@router.get(_PRODUCT, dependencies=_READ, responses=refusals())
async def get_own_product(
    shop_id: UUID, product_id: UUID, response: Response, db: ReadDb
) -> OperatorProductShown:
    """Show a product with all its variants, its version as ETag."""
    return await _product(await service.product_of_shop(db, shop_id, product_id), response, db)


@router.patch(
    _PRODUCT,
    dependencies=_WRITE,
    responses=refusals(errors.CategoryNotFound, errors.BrandNotFound, *STALE),
)
async def edit_product(
    shop_id: UUID,
    product_id: UUID,
    wish: EditProduct,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> OperatorProductShown:
    """Change what a product says."""
    changes = wish.model_dump(exclude_unset=True)
    after = await service.edit_product(
        work.db, shop_id, product_id, changes, version=version, now=work.now
    )
    return await _product(after, response, work.db)


@router.post(
    _PRODUCT + "/publish",
    dependencies=_WRITE,
    responses=refusals(errors.WrongProductStatus, errors.ProductWithoutVariants),
)
async def publish_product(
    shop_id: UUID, product_id: UUID, response: Response, db: Db, now: Now
) -> OperatorProductShown:
    """Put a product on sale."""
    moved = await service.move_product(db, shop_id, product_id, ProductStatus.ON_SALE, now=now)
    return await _product(moved, response, db)


@router.post(
    _PRODUCT + "/archive",
    dependencies=_WRITE,
    responses=refusals(errors.WrongProductStatus),
)
async def archive_product(
    shop_id: UUID, product_id: UUID, response: Response, db: Db, now: Now
) -> OperatorProductShown:
    """Take a product off sale; orders keep what they hold of it."""
    moved = await service.move_product(db, shop_id, product_id, ProductStatus.ARCHIVED, now=now)
    return await _product(moved, response, db)


@router.post(
    _PRODUCT + "/variants",
    status_code=201,
    dependencies=_WRITE,
    responses=refusals(errors.SkuTaken, errors.PriceBelowFloor),
)
async def create_variant(
    shop_id: UUID, product_id: UUID, wish: AddVariant, response: Response, work: WorkIn
) -> OperatorVariantShown:
    """Add a variant to a product, without stock."""
    wanted = NewVariant(**wish.model_dump())
    made = await service.create_variant(work.db, shop_id, product_id, wanted, now=work.now)
    return _variant(made, response)


@router.get(_VARIANT, dependencies=_READ, responses=refusals())
async def get_own_variant(
    shop_id: UUID, variant_id: UUID, response: Response, db: ReadDb
) -> OperatorVariantShown:
    """Show a variant with its cost and floor, its version as ETag."""
    return _variant(await service.variant_of_shop(db, shop_id, variant_id), response)


@router.patch(
    _VARIANT,
    dependencies=_WRITE,
    responses=refusals(errors.PriceBelowFloor, *STALE),
)
async def edit_variant(
    shop_id: UUID,
    variant_id: UUID,
    wish: EditVariant,
    version: IfMatch,
    response: Response,
    work: WorkIn,
) -> OperatorVariantShown:
    """Change a variant's title or prices; a new price goes on record."""
    changes = wish.model_dump(exclude_unset=True)
    after = await service.edit_variant(
        work.db, shop_id, variant_id, changes, version=version, now=work.now
    )
    return _variant(after, response)


@router.post(_VARIANT + "/archive", dependencies=_WRITE, responses=refusals())
async def archive_variant(
    shop_id: UUID, variant_id: UUID, response: Response, db: Db, now: Now
) -> OperatorVariantShown:
    """Take a variant off sale for good."""
    return _variant(await service.archive_variant(db, shop_id, variant_id, now=now), response)


@router.get(_VARIANT + "/prices", dependencies=_READ, responses=refusals(InvalidCursor))
async def list_prices(
    shop_id: UUID, variant_id: UUID, paging: Paged, db: ReadDb
) -> Page[PriceShown]:
    """List what a variant has cost, the newest price first."""
    found = await service.list_price_changes(db, shop_id, variant_id, paging)
    return paging.page(found, PriceShown.model_validate)


@router.get(_VARIANT + "/stock", dependencies=_READ, responses=refusals())
async def get_stock(shop_id: UUID, variant_id: UUID, db: ReadDb) -> StockShown:
    """Show the units on hand, reserved, sold and available of a variant."""
    return _stock(await service.stock_of(db, shop_id, variant_id))


@router.post(
    _VARIANT + "/stock-adjustments",
    status_code=201,
    dependencies=needs(Right.STOCK_WRITE),
    responses=refusals(errors.StockBelowCommitted),
)
async def adjust_stock(
    shop_id: UUID, variant_id: UUID, wish: AdjustStock, db: Db, now: Now
) -> StockShown:
    """Add units to a variant's stock or take some away, for a reason."""
    return _stock(
        await service.adjust_stock(db, shop_id, variant_id, wish.quantity, wish.reason, now)
    )


@router.get(
    _VARIANT + "/stock-adjustments",
    dependencies=_READ,
    responses=refusals(InvalidCursor),
)
async def list_stock_adjustments(
    shop_id: UUID, variant_id: UUID, paging: Paged, db: ReadDb
) -> Page[AdjustmentShown]:
    """List why a variant's stock changed, the newest reason first."""
    found = await service.list_adjustments(db, shop_id, variant_id, paging)
    return paging.page(found, AdjustmentShown.model_validate)


async def _product(card: ProductCard, response: Response, db: AsyncSession) -> OperatorProductShown:
    variants = await service.variants_of_product(db, card.id, with_archived=True)
    response.headers["ETag"] = etag(card.version)
    return OperatorProductShown.model_validate({**asdict(card), "variants": list(variants)})


def _variant(variant: Variant, response: Response) -> OperatorVariantShown:
    response.headers["ETag"] = etag(variant.version)
    return OperatorVariantShown.model_validate(variant)


def _stock(stock: Stock) -> StockShown:
    return StockShown(
        **stock.model_dump(include={"variant_id", "on_hand", "reserved", "sold"}),
        available=stock.on_hand - stock.reserved - stock.sold,
    )
