"""What configuring promotions refuses."""

from http import HTTPStatus

from app.core.errors import Problem


class BadPromotion(Problem):
    """The promotion contradicts itself, its shop or its goods; `reason` says how.

    Of itself: `name_missing`, `window` (ends before it starts), `ended` (its window is over),
    `match` (wants and forbids the same goods), `rule` and `conditions` (tiers that do not rise, a
    bundle of one unit, hours that never come; `detail` says which), `running` (`fields` that stay
    as they are once it has started).
    Of its shop: `currency`, `free_orders` (everything for nothing where no order may be free),
    `unknown_groups` (communities or audiences that are not the shop's).
    Of its goods: `unknown_goods` (nothing of the shop, by `ids`, or parts that nothing fits),
    `bundle_not_below_parts`, `gift_without_stock`, `add_on_not_below_price`,
    `add_on_qualifies_itself`, `cycle` (with `promotion_ids`: each offers what the next asks for).
    """

    status = HTTPStatus.CONFLICT
    code = "bad_promotion"
    title = "The promotion contradicts itself or its shop"
    title_zh = "优惠活动设置存在矛盾"


class WrongPromotionStatus(Problem):
    """The promotion cannot do this from where it is; `promotion_status` says where that is."""

    status = HTTPStatus.CONFLICT
    code = "wrong_promotion_status"
    title = "The promotion's status does not allow this"
    title_zh = "优惠活动当前状态不允许该操作"


class TooManyPromotions(Problem):
    """A basket is priced against all live promotions at once; `promotions_max` bounds them."""

    status = HTTPStatus.CONFLICT
    code = "too_many_promotions"
    title = "The shop has as many live promotions as it may have"
    title_zh = "进行中的优惠活动数量已达上限"


class BelowCostUnconfirmed(Problem):
    """Units would be sold below what they cost; `variant_ids` says which. Say so to go on."""

    status = HTTPStatus.CONFLICT
    code = "below_cost_unconfirmed"
    title = "Goods would be sold below cost: confirm it with confirm_below_cost"
    title_zh = "部分商品将低于成本价销售，请通过 confirm_below_cost 确认"
