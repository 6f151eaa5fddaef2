"""Shops and their trees of categories as their operators keep them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from app.catalog import errors, service
from app.catalog.deps import STALE, WorkIn, needs, refusals
from app.catalog.models import Shop
from app.catalog.rules import NewCategory, NewShop
from app.catalog.schemas import (
    AddCategory,
    CategoryShown,
    EditCategory,
    EditShop,
    OpenShop,
    OperatorShopShown,
)
from app.core.clock import Now
from app.core.db import Db, ReadDb
from app.core.errors import InvalidCursor
from app.core.http.paging import Page, Paged
from app.core.http.route import Transactional
from app.core.http.versions import IfMatch, etag
from app.core.security import Principal
from app.identity.deps import OperatorIn, may, platform, rights_in
from app.identity.rules import Right

router = APIRouter(prefix="/v1/operator/shops", tags=["catalog"], route_class=Transactional)

_SHOP = "/{shop_id}"
_CATEGORY = _SHOP + "/categories/{category_id}"


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(platform(Right.PLATFORM_WRITE))],
    responses=refusals(errors.SlugTaken, errors.OwnerNotFound),
)
async def open_shop(wish: OpenShop, response: Response, db: Db, now: Now) -> OperatorShopShown:
    """Open a shop, and make an operator its owner."""
    wanted = NewShop(**wish.model_dump(exclude={"owner_operator_id"}))
    made = await service.create_shop(db, wanted, owner_id=wish.owner_operator_id, now=now)
    return _shop(made, response)


@router.get("", responses=refusals(InvalidCursor))
async def list_own_shops(
    operator: OperatorIn, paging: Paged, db: ReadDb
) -> Page[OperatorShopShown]:
    """List the shops the caller has a role in; all of them for a platform role."""
    among = None if operator.platform_role else list(operator.shop_roles)
    found = await service.list_shops(db, among, paging)
    return paging.page(found, OperatorShopShown.model_validate)


@router.get(_SHOP, dependencies=needs(Right.SHOP_READ), responses=refusals())
async def get_own_shop(shop_id: UUID, response: Response, db: ReadDb) -> OperatorShopShown:
    """Show a shop to its operators, with its version as ETag."""
    return _shop(await service.shop(db, shop_id), response)


@router.patch(_SHOP, responses=refusals(errors.RefundLimitForOwners, *STALE))
async def edit_shop(
    shop_id: UUID,
    wish: EditShop,
    version: IfMatch,
    response: Response,
    work: WorkIn,
    editor: Annotated[Principal, Depends(may(Right.SHOP_WRITE))],
) -> OperatorShopShown:
    """Change a shop's terms, or pause it; the limit of refunds is its owners' to change."""
    after = await service.edit_shop(
        work.db,
        shop_id,
        wish.model_dump(exclude_unset=True),
        version=version,
        may_set_refund_limit=Right.REFUND_LIMIT_WRITE in rights_in(editor, shop_id),
        now=work.now,
    )
    return _shop(after, response)


@router.post(
    _SHOP + "/categories",
    status_code=201,
    dependencies=needs(Right.CATALOG_WRITE),
    responses=refusals(errors.CategoryNotFound, errors.CategoryTooDeep),
)
async def create_category(shop_id: UUID, wish: AddCategory, db: Db, now: Now) -> CategoryShown:
    """Add a category."""
    wanted = NewCategory(**wish.model_dump())
    return CategoryShown.model_validate(await service.create_category(db, shop_id, wanted, now=now))


@router.patch(
    _CATEGORY,
    dependencies=needs(Right.CATALOG_WRITE),
    responses=refusals(errors.CategoryNotFound, errors.CategoryTooDeep, errors.CategoryCycle),
)
async def edit_category(
    shop_id: UUID, category_id: UUID, wish: EditCategory, db: Db, now: Now
) -> CategoryShown:
    """Rename, move or reorder a category."""
    changes = wish.model_dump(exclude_unset=True)
    return CategoryShown.model_validate(
        await service.edit_category(db, shop_id, category_id, changes, now=now)
    )


@router.post(
    _CATEGORY + "/archive",
    dependencies=needs(Right.CATALOG_WRITE),
    responses=refusals(errors.CategoryHasChildren),
)
async def archive_category(shop_id: UUID, category_id: UUID, db: Db, now: Now) -> CategoryShown:
    """Take a category without subcategories out of the tree."""
    return CategoryShown.model_validate(
        await service.archive_category(db, shop_id, category_id, now=now)
    )


def _shop(shop: Shop, response: Response) -> OperatorShopShown:
    response.headers["ETag"] = etag(shop.version)
    return OperatorShopShown.model_validate(shop)
