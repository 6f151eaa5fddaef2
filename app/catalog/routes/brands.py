"""Partner brands as the operators of a shop keep them."""

from uuid import UUID

from fastapi import APIRouter

from app.catalog import service
from app.catalog.deps import needs, refusals
from app.catalog.rules import NewBrand
from app.catalog.schemas import AddBrand, BrandShown, EditBrand
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.identity.rules import Right

router = APIRouter(
    prefix="/v1/operator/shops/{shop_id}/brands", tags=["catalog"], route_class=Transactional
)

_WRITE = needs(Right.CATALOG_WRITE)
_ONE = "/{brand_id}"


@router.post("", status_code=201, dependencies=_WRITE, responses=refusals())
async def create_brand(shop_id: UUID, wish: AddBrand, db: Db, now: Now) -> BrandShown:
    """Add a partner brand whose goods the shop sells."""
    made = await service.create_brand(db, shop_id, NewBrand(**wish.model_dump()), now=now)
    return BrandShown.model_validate(made)


@router.get("", dependencies=needs(Right.CATALOG_READ), responses=refusals(InvalidCursor))
async def list_brands(shop_id: UUID, paging: Paged, db: ReadDb) -> Page[BrandShown]:
    """List a shop's partner brands, archived ones too, the youngest first."""
    found = await service.list_brands(db, shop_id, paging)
    return paging.page(found, BrandShown.model_validate)


@router.patch(_ONE, dependencies=_WRITE, responses=refusals())
async def edit_brand(
    shop_id: UUID, brand_id: UUID, wish: EditBrand, db: Db, now: Now
) -> BrandShown:
    """Change a brand; placed orders keep the share they were placed with."""
    changes = wish.model_dump(exclude_unset=True)
    after = await service.edit_brand(db, shop_id, brand_id, changes, now=now)
    return BrandShown.model_validate(after)


@router.post(_ONE + "/archive", dependencies=_WRITE, responses=refusals())
async def archive_brand(shop_id: UUID, brand_id: UUID, db: Db, now: Now) -> BrandShown:
    """Let no further product be given this brand."""
    return BrandShown.model_validate(await service.archive_brand(db, shop_id, brand_id, now=now))
