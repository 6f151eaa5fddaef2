"""What the catalogue refuses."""

from http import HTTPStatus

from app.core.errors import Problem


class VariantNotFound(Problem):
    """Some of the asked variants are not for sale here; `variant_ids` names them, nothing more."""

    status = HTTPStatus.NOT_FOUND
    code = "variant_not_found"
    title = "A variant is not for sale in this shop"
    title_zh = "部分商品规格不存在或已下架"


class ShopPaused(Problem):
    """The shop takes no orders at present."""

    status = HTTPStatus.CONFLICT
    code = "shop_paused"
    title = "The shop takes no orders at present"
    title_zh = "店铺暂停接单"
    lasting = False


class RefundLimitForOwners(Problem):
    """Staff and keys refund up to the limit, so they do not set it."""

    status = HTTPStatus.FORBIDDEN
    code = "refund_limit_for_owners"
    title = "Only an owner may change which refunds need a second operator"
    title_zh = "仅店主可修改退款复核额度"
    lasting = False


class OutOfStock(Problem):
    """Fewer units are available than asked for; `variants` says of which, and how many."""

    status = HTTPStatus.CONFLICT
    code = "out_of_stock"
    title = "Not enough units are available"
    title_zh = "库存不足"
    lasting = False


class StockBelowCommitted(Problem):
    """Units that are sold or promised to open orders cannot be taken off the books."""

    status = HTTPStatus.CONFLICT
    code = "stock_below_committed"
    title = "The stock would fall below what is reserved and sold"
    title_zh = "库存不能低于已预留和已售出的数量"


class SlugTaken(Problem):
    """Another shop has this address."""

    status = HTTPStatus.CONFLICT
    code = "slug_taken"
    title = "Another shop has this slug"
    title_zh = "该店铺标识已被占用"


class OwnerNotFound(Problem):
    """There is no operator who could own the shop."""

    status = HTTPStatus.NOT_FOUND
    code = "owner_not_found"
    title = "No such operator to own the shop"
    title_zh = "找不到要设为店主的运营人员"


class SkuTaken(Problem):
    """Another variant of the shop, archived or not, has this stock-keeping unit."""

    status = HTTPStatus.CONFLICT
    code = "sku_taken"
    title = "Another variant of the shop has this SKU"
    title_zh = "该 SKU 已被占用"


class PriceBelowFloor(Problem):
    """A price below the floor could never be charged."""

    status = HTTPStatus.CONFLICT
    code = "price_below_floor"
    title = "The price is below the variant's floor"
    title_zh = "价格低于该规格的底价"


class CategoryNotFound(Problem):
    """The named category is none of the shop's living ones."""

    status = HTTPStatus.NOT_FOUND
    code = "category_not_found"
    title = "The shop has no such category"
    title_zh = "店铺中没有该分类"


class CategoryTooDeep(Problem):
    """The tree of categories has a greatest depth; `levels_max` says which."""

    status = HTTPStatus.CONFLICT
    code = "category_too_deep"
    title = "The category would stand too deep in the tree"
    title_zh = "分类层级过深"


class CategoryCycle(Problem):
    """A category cannot stand below itself."""

    status = HTTPStatus.CONFLICT
    code = "category_cycle"
    title = "The category would stand below itself"
    title_zh = "分类不能成为自己的下级"


class CategoryHasChildren(Problem):
    """Archive or move the categories below it first."""

    status = HTTPStatus.CONFLICT
    code = "category_has_children"
    title = "Other categories stand below it"
    title_zh = "该分类下还有子分类"


class ProductWithoutVariants(Problem):
    """A product without a living variant has nothing to sell."""

    status = HTTPStatus.CONFLICT
    code = "product_without_variants"
    title = "The product has no variant to sell"
    title_zh = "商品没有可售规格"


class WrongProductStatus(Problem):
    """The product cannot go there from where it is; `product_status` says where that is."""

    status = HTTPStatus.CONFLICT
    code = "wrong_product_status"
    title = "The product's status does not allow this"
    title_zh = "商品当前状态不允许该操作"


class BrandNotFound(Problem):
    """The named brand is none of the shop's living ones."""

    status = HTTPStatus.NOT_FOUND
    code = "brand_not_found"
    title = "The shop has no such partner brand"
    title_zh = "店铺中没有该合作品牌"
